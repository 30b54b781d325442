"""The custom model: a small ONNX classifier trained on the lab's own people.

The file's format, `facelab.custom/1`, which training writes and this module reads:

- One float32 input, batch first, named after what it takes:
  `embedding` [n, 128], the output of the embedding network, or
  `crop` [n, 3, 160, 160], RGB in [0, 1], made by `crop_from_chip`.
- One float32 output `probabilities` [n, labels]: in [0, 1], each row with a sum of at most
  1. What is missing to 1 is the probability of being none of them, so that a graph may hold
  more than a softmax (a distance gate, a "none of these" class that it drops at the end).
- Metadata properties, all strings:
  `facelab.format`     `facelab.custom/1`
  `facelab.labels`     JSON array of person ids, in the order of the columns
  `facelab.accept`     least probability at which a person is named, in (0, 1]
  `facelab.candidate`  least probability at which one frame may vote, at most `accept`
  `facelab.margin`     least lead over the second, in [0, 1)
  Anything else (training date, dataset) is free and shown by `properties`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from threading import Timer
from typing import Any

import cv2
import numpy as np
from onnxruntime import RunOptions

from contract.crops import CROP_PX
from recognition.alignment import CHIP_PX
from recognition.embedder import EMBEDDING_SIZE
from recognition.errors import CustomModelUnusable
from recognition.gallery import is_label
from recognition.runtime import open_session

FORMAT = "facelab.custom/1"
_SHAPES = {"embedding": [EMBEDDING_SIZE], "crop": [3, CROP_PX, CROP_PX]}
_OUTPUT = "probabilities"
_MAX_BYTES = 256 * 2**20
_ROUNDING = 1e-3
_TRIAL_S = 5.0


@dataclass(frozen=True)
class Thresholds:
    """Probabilities from 0 to 1: `accept` to name a person, `candidate` to vote for one, and as
    `margin` the lead over the second."""

    accept: float
    candidate: float
    margin: float


def crop_from_chip(chip: np.ndarray) -> np.ndarray:
    """The `crop` input of one face: float32 [3, 160, 160] in [0, 1] from a chip, uint8
    [150, 150, 3], RGB.

    Raises
    ------
    ValueError
        When the chip is of another size.
    """
    if chip.shape != (CHIP_PX, CHIP_PX, 3):
        raise ValueError(f"a chip is {CHIP_PX}x{CHIP_PX}x3, not {chip.shape}")
    resized = cv2.resize(chip, (CROP_PX, CROP_PX), interpolation=cv2.INTER_LINEAR)
    return np.ascontiguousarray(resized.transpose(2, 0, 1), np.float32) / np.float32(255)


class CustomModel:
    """A loaded and checked custom model."""

    def __init__(
        self,
        session: Any,
        labels: tuple[str, ...],
        thresholds: Thresholds,
        properties: dict[str, str],
    ) -> None:
        self._session = session
        self._input = session.get_inputs()[0].name
        self.labels = labels
        self.thresholds = thresholds
        self.properties = properties

    @classmethod
    def from_bytes(cls, data: bytes) -> CustomModel:
        """Load a model and try it once.

        Raises
        ------
        CustomModelUnusable
            When it is not ONNX, not in the format above, or its answers are not probabilities.
        """
        if not data or len(data) > _MAX_BYTES:
            raise CustomModelUnusable(f"a custom model of {len(data)} bytes; export it again")
        try:
            session = open_session(data)
            properties = dict(session.get_modelmeta().custom_metadata_map)
            labels, thresholds = _read_properties(properties)
            _check_signature(session, len(labels))
            model = cls(session, labels, thresholds, properties)
            model._try_once()
        except CustomModelUnusable:
            raise
        except Exception as error:
            # onnxruntime's own errors share no base class with each other.
            raise CustomModelUnusable(f"not an ONNX model: {str(error)[:200]}") from error
        return model

    @property
    def takes(self) -> str:
        """`embedding` or `crop`."""
        return self._input

    def probabilities(self, embedding: np.ndarray, chip: np.ndarray) -> np.ndarray:
        """float32 [labels] for one face: its embedding [128] and its chip, uint8 RGB."""
        values = embedding if self._input == "embedding" else crop_from_chip(chip)
        return self._run(values.astype(np.float32))

    def _run(self, values: np.ndarray) -> np.ndarray:
        return self._session.run([_OUTPUT], {self._input: values[None]})[0][0]

    def _try_once(self) -> None:
        answer = self._timed_run(np.zeros(_SHAPES[self._input], np.float32))
        usable = (
            answer.shape == (len(self.labels),)
            and np.isfinite(answer).all()
            and answer.min() >= -_ROUNDING
            and answer.sum() <= 1 + _ROUNDING
        )
        if not usable:
            raise CustomModelUnusable(
                f"the output {_OUTPUT!r} is no row of {len(self.labels)} probabilities"
            )

    def _timed_run(self, values: np.ndarray) -> np.ndarray:
        """A graph may loop for ever; the function must not, or a bad upload stops the lab."""
        options = RunOptions()
        alarm = Timer(_TRIAL_S, lambda: setattr(options, "terminate", True))
        alarm.start()
        try:
            return self._session.run([_OUTPUT], {self._input: values[None]}, options)[0][0]
        except Exception as error:
            why = f"took over {_TRIAL_S} s" if options.terminate else str(error)[:200]
            raise CustomModelUnusable(f"the model does not run: {why}") from error
        finally:
            alarm.cancel()


def _read_properties(properties: dict[str, str]) -> tuple[tuple[str, ...], Thresholds]:
    version = properties.get("facelab.format")
    if version != FORMAT:
        raise CustomModelUnusable(f"facelab.format is {version!r}, this reads {FORMAT!r}")
    try:
        labels = json.loads(properties["facelab.labels"])
        accept, candidate, margin = (
            float(properties[f"facelab.{name}"]) for name in ("accept", "candidate", "margin")
        )
    except (KeyError, ValueError, RecursionError) as error:
        raise CustomModelUnusable(f"metadata property missing or malformed: {error}") from error
    is_list = isinstance(labels, list) and all(isinstance(label, str) for label in labels)
    if not (is_list and labels and len(set(labels)) == len(labels) and all(map(is_label, labels))):
        raise CustomModelUnusable("facelab.labels is not a list of distinct person ids")
    if not (0 < candidate <= accept <= 1 and 0 <= margin < 1):
        raise CustomModelUnusable(
            f"thresholds accept={accept}, candidate={candidate}, margin={margin}: "
            "0 < candidate <= accept <= 1 and 0 <= margin < 1 must hold"
        )
    return tuple(labels), Thresholds(accept, candidate, margin)


def _check_signature(session: Any, labels: int) -> None:
    inputs, outputs = session.get_inputs(), session.get_outputs()
    if len(inputs) != 1 or inputs[0].name not in _SHAPES:
        names = [value.name for value in inputs]
        raise CustomModelUnusable(f"inputs {names}: exactly one of {sorted(_SHAPES)} is expected")
    wanted = _SHAPES[inputs[0].name]
    if inputs[0].type != "tensor(float)" or list(inputs[0].shape[1:]) != wanted:
        raise CustomModelUnusable(
            f"input {inputs[0].name} is {inputs[0].type} {inputs[0].shape}, "
            f"expected float [n, {', '.join(map(str, wanted))}]"
        )
    output = next((value for value in outputs if value.name == _OUTPUT), None)
    if output is None or output.type != "tensor(float)":
        raise CustomModelUnusable(f"there is no float output {_OUTPUT!r}")
    columns = output.shape[1] if len(output.shape) == 2 else 0
    if columns != labels and isinstance(columns, int):
        raise CustomModelUnusable(f"{columns} probabilities for {labels} labels")
