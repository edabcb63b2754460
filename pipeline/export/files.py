"""Names of the files that every export writes."""

MODEL = "model.onnx"
LOGITS = "logits.npy"
LABELS = "labels.npy"
