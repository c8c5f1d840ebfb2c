"""Inference: detectors as ONNX graphs, training, calibration, evaluation, model bundles."""
