"""Names of the files that every export leaves."""

MODEL = "model.onnx"
LOGITS = "logits.npy"
LABELS = "labels.npy"
