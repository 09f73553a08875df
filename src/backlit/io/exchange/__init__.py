"""Models to and from other programs: ONNX, PyTorch's state dicts, scikit-learn's fitted networks."""
