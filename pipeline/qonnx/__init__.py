"""QONNX models from other exporters: reads, checks, cleans and describes them."""
