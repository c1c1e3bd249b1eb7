"""The network: definition, checkpoints, export to ONNX. Needs PyTorch."""
