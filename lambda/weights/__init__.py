"""Build step: dlib's face networks (`face_recognition_models`, public domain) as ONNX and npz.

Runs where the function is built, never where it runs. `python -m weights build` needs numpy
and onnx; no dlib, no torch, no compiler.
"""
