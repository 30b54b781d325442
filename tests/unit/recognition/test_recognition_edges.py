"""Limits of recognition at their edges: what just suffices is taken."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from contract.annexb import NalType, NalUnit, nal_units
from recognition import Settings, parts
from recognition.agreement import look_through
from recognition.custom_model import _ROUNDING, CustomModel, Thresholds, _read_properties
from recognition.decode import Clip
from recognition.errors import CustomModelUnusable, FrameTooLarge
from recognition.parts import take_apart
from tests.unit.recognition.test_agreement import pictures

LIMITS = Settings()


@pytest.fixture(scope="module")
def stream(encode) -> bytes:
    ramp = np.linspace(0, 120, 160, dtype=np.uint8)
    frame = np.broadcast_to(ramp[None, :, None], (128, 160, 3))
    return encode([(frame + 8 * index).astype(np.uint8) for index in range(5)])


def test_a_picture_as_large_as_it_may_be_is_decoded(stream):
    assert len(list(Clip(stream, replace(LIMITS, max_frame_px=160)).frames(3))) == 3
    with pytest.raises(FrameTooLarge):
        list(Clip(stream, replace(LIMITS, max_frame_px=159)).frames(3))


def test_as_many_units_as_are_looked_at_are_not_cut(stream, monkeypatch):
    count = stream.count(b"\x00\x00\x01")
    monkeypatch.setattr(parts, "MAX_NAL_UNITS", count)
    assert take_apart(stream, 2048).cuts == ()
    monkeypatch.setattr(parts, "MAX_NAL_UNITS", count - 1)
    assert take_apart(stream, 2048).cuts == (
        f"only its first {count - 1} NAL units were looked at",
    )


def test_a_good_parameter_set_among_bad_ones_is_enough(stream):
    units = list(nal_units(stream))
    bad = [NalUnit(bytes([0x67, 66, number])) for number in range(20)]
    assert all(unit.type == NalType.SPS for unit in bad)
    data = b"".join(b"\x00\x00\x00\x01" + unit.data for unit in [*bad, *units])
    assert len(take_apart(data, 2048).pictures) == 5


def test_groups_of_a_size_stand_in_the_order_of_their_pictures():
    """The one that is most alike is found first."""
    two = np.vstack([pictures(1, 2), pictures(2, 2, moved=0.02)])
    assert look_through(two).groups == ((0, 1), (2, 3))


class Session:
    """An ONNX session that answers one row."""

    def __init__(self, *row: float) -> None:
        self._row = np.array([row], np.float32)

    def get_inputs(self):
        return [type("Input", (), {"name": "embedding"})]

    def run(self, outputs, inputs, options=None):
        return [self._row]


def tried(*row: float) -> None:
    labels = tuple(f"p{number}" for number in range(2))
    CustomModel(Session(*row), labels, Thresholds(0.8, 0.5, 0.1), {})._try_once()


@pytest.mark.parametrize("row", [(-_ROUNDING, 0.5), (0.5, 0.5 + _ROUNDING * 0.99), (0.0, 0.0)])
def test_probabilities_may_be_off_by_a_rounding(row):
    tried(*row)


@pytest.mark.parametrize(
    "row", [(-2 * _ROUNDING, 0.5), (0.5, 0.5 + 2 * _ROUNDING), (np.nan, 0.1), (0.5,), (0.1,) * 3]
)
def test_what_is_no_row_of_probabilities_is_refused(row):
    with pytest.raises(CustomModelUnusable, match="2 probabilities"):
        tried(*row)


def properties(accept="0.8", candidate="0.5", margin="0.1", labels='["ada"]') -> dict[str, str]:
    return {
        "facelab.format": "facelab.custom/1", "facelab.labels": labels, "facelab.accept": accept,
        "facelab.candidate": candidate, "facelab.margin": margin,
    }  # fmt: skip


@pytest.mark.parametrize(
    "limits",
    [{"accept": "1", "candidate": "1"}, {"margin": "0"}, {"margin": "0.999"},
     {"candidate": "0.8"}, {"candidate": "0.001"}],
)  # fmt: skip
def test_thresholds_may_be_at_their_bounds(limits):
    labels, _ = _read_properties(properties(**limits))
    assert labels == ("ada",)


@pytest.mark.parametrize(
    "limits",
    [{"accept": "1.5"}, {"accept": "1.001"}, {"margin": "1"}, {"margin": "-0.1"},
     {"candidate": "0"}, {"candidate": "0.81"}, {"accept": "nan"}],
)  # fmt: skip
def test_thresholds_beyond_them_are_refused_with_the_rule(limits):
    with pytest.raises(CustomModelUnusable, match="must hold"):
        _read_properties(properties(**limits))


@pytest.mark.parametrize("labels", ["[]", '["a", "a"]', '["a", 1]', '{"a": 1}', '[""]', '["a\\n"]'])
def test_labels_are_distinct_ids(labels):
    with pytest.raises(CustomModelUnusable, match="distinct person ids"):
        _read_properties(properties(labels=labels))
