"""How ONNX models are run here: one thread each, the same answer every time."""

from __future__ import annotations

from pathlib import Path

import onnxruntime

from recognition.errors import ModelsMissing


def open_session(model: Path | bytes) -> onnxruntime.InferenceSession:
    """A session with one thread: more of them would wait for each other at every layer. Several
    runs side by side (see `side_by_side`) do not.

    Raises
    ------
    ModelsMissing
        When `model` is a path where no file lies.
    """
    if isinstance(model, Path) and not model.is_file():
        raise ModelsMissing(
            f"{model} is missing; run `python -m weights build --out {model.parent}`"
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.use_deterministic_compute = True
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(
        model if isinstance(model, bytes) else str(model),
        options,
        providers=["CPUExecutionProvider"],
    )
