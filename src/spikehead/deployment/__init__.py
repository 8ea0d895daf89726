"""Trained models for other run-time environments: ONNX and NIR. It needs the extra `export`."""
