"""Training the custom model, the dataset tools around it, and the evaluation of both models.

Nothing here runs on the device or in the function; both only ever see the ONNX file that
`train_face_recognition.py` writes.
"""
