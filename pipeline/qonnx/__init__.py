"""Other people's QONNX: checked, edited, described."""
