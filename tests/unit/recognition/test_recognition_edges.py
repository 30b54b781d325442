"""Limits of recognition at their edges: what just suffices is taken."""

from __future__ import annotations

import io
import zipfile
from dataclasses import replace

import numpy as np
import pytest

from contract.annexb import NalType, NalUnit, nal_units
from recognition import Gallery, Settings, parts
from recognition.agreement import DOUBLE_DISTANCE, Resemblance, look_alikes, look_through
from recognition.custom_model import _ROUNDING, CustomModel, Thresholds, _read_properties
from recognition.decode import Clip
from recognition.errors import (
    ClipTooLarge,
    CustomModelUnusable,
    FrameTooLarge,
    GalleryUnreadable,
    TooManyUnits,
)
from recognition.parts import ParameterSets, take_apart
from recognition.pyramid import overlap
from recognition.tracking import Track
from tests.fakes.h264 import PPS, slice_unit
from tests.unit.recognition.test_agreement import pictures
from tests.unit.recognition.test_custom_model import model_bytes
from tests.unit.recognition.test_sps import sps
from tests.unit.recognition.test_tracking import ADA, seen

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


def clip_of(*kinds: str) -> bytes:
    """Pictures that parse and do not decode: K is a key frame, P another."""
    headers = b"\x00\x00\x00\x01" + sps(width=10, height=8).data + PPS
    units = {"K": headers + slice_unit(5, b"\x11" * 9), "P": slice_unit(1, b"\x11" * 9)}
    return b"".join(units[kind] for kind in kinds)


@pytest.mark.parametrize(
    ("kinds", "count", "spread"),
    [
        ("KPPPPKPPPPKPPPP", 1, [0]),
        ("KPPPPKPPPPKPPPP", 2, [0, 14]),
        ("KPPPPKPPPPKPPPP", 3, [0, 10, 14]),
        ("KPPPPKPPPPKPPPP", 4, [0, 5, 10, 14]),
        ("KPPPPPPPPPPPPPP", 3, [0, 7, 14]),
        ("PPKPPPPPPPPPPPP", 2, [2, 14]),
        ("KP", 5, [0, 1]),
        ("KKKK", 2, [0, 3]),
    ],
)
def test_the_pictures_that_are_looked_at_are_spread_over_the_clip(kinds, count, spread):
    assert Clip(clip_of(*kinds), LIMITS)._spread(count) == spread


@pytest.mark.parametrize(("count", "found"), [(1, 1), (3, 3), (5, 5), (9, 5)])
def test_the_first_and_the_last_frame_know_that_they_are(stream, count, found):
    frames = list(Clip(stream, LIMITS).frames(count))
    assert len(frames) == found
    assert [frame.is_first for frame in frames] == [True] + [False] * (found - 1)
    assert [frame.is_last for frame in frames] == [False] * (found - 1) + [True]


def test_parameter_sets_of_pictures_that_were_passed_over_are_known():
    pictures_ = take_apart(clip_of(*"KPPK"), 2048).pictures
    assert ParameterSets(pictures_).before(2) == ParameterSets(pictures_).before(3) != b""
    assert ParameterSets(pictures_).before(0) == b""


def test_as_many_parameter_sets_as_a_stream_may_have_are_read(stream, monkeypatch):
    bad = b"".join(b"\x00\x00\x00\x01" + bytes([0x67, 66, number]) for number in range(3))
    monkeypatch.setattr(parts, "MAX_DISTINCT_SPS", 4)
    assert len(take_apart(bad + stream, 2048).pictures) == 5
    monkeypatch.setattr(parts, "MAX_DISTINCT_SPS", 3)
    with pytest.raises(TooManyUnits):
        take_apart(bad + stream, 2048)


class TestGallery:
    ONE = np.random.default_rng(0).normal(size=(3, 128)).astype(np.float32)

    def test_a_photo_is_no_distance_from_itself(self):
        gallery = Gallery.of(["a", "b", "c"], self.ONE)
        for at, embedding in enumerate(self.ONE):
            found = gallery.nearest_distances(embedding)
            assert np.isfinite(found).all()
            assert found[at] == pytest.approx(0, abs=1e-3)
        many = np.random.default_rng(1).normal(size=(300, 128)).astype(np.float32)
        of_many = Gallery.of([f"p{number:03}" for number in range(300)], many)
        assert all(np.isfinite(of_many.nearest_distances(one)).all() for one in many)

    def npz(self, **arrays: object) -> bytes:
        usual = {"format": np.array("facelab.gallery/1"), "person_ids": np.array(["a", "b", "c"]),
                 "embeddings": self.ONE}  # fmt: skip
        buffer = io.BytesIO()
        np.savez(buffer, **{**usual, **arrays})
        return buffer.getvalue()

    def test_arrays_in_another_order_or_shape_are_refused(self):
        assert len(Gallery.from_bytes(self.npz())) == 3
        for wrong in (
            {"embeddings": np.asfortranarray(self.ONE)},
            {"embeddings": self.ONE[None]},
            {"embeddings": self.ONE.astype(int)},
            {"person_ids": np.array([["a", "b", "c"]])},
        ):
            with pytest.raises(GalleryUnreadable, match=r" is \S+\["):
                Gallery.from_bytes(self.npz(**wrong))

    def test_as_many_bytes_as_it_may_have_are_read(self, monkeypatch):
        data = self.npz()
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            size = sum(member.file_size for member in archive.infolist())
        monkeypatch.setattr("recognition.gallery._MAX_BYTES", size)
        assert len(Gallery.from_bytes(data)) == 3
        monkeypatch.setattr("recognition.gallery._MAX_BYTES", size - 1)
        with pytest.raises(GalleryUnreadable, match="more than"):
            Gallery.from_bytes(data)


def test_an_overlap_of_the_limit_itself_is_the_same_place():
    track = Track([seen(ADA, left=0)], [0])
    moved = seen(ADA, left=60)
    exactly = overlap(moved.box, track.last_box)
    assert 0.2 < exactly < 0.3
    assert track.is_in_place(moved, Settings(track_overlap=exactly))
    assert not track.is_in_place(moved, Settings(track_overlap=float(np.nextafter(exactly, 1))))


def test_nobody_is_like_nobody():
    gallery = Gallery.of(["ada"], pictures(1, 1))
    assert look_alikes(np.zeros((0, 128)), gallery) == []
    assert not Resemblance("ada", DOUBLE_DISTANCE).is_same_person
    assert Resemblance("ada", DOUBLE_DISTANCE - 0.001).is_same_person


def test_a_face_is_as_large_up_to_its_factor_itself():
    track = Track([seen(ADA, size=100)], [0])
    anywhere = Settings(track_overlap=0.0)
    assert track.is_in_place(seen(ADA, size=160), anywhere)
    assert not track.is_in_place(seen(ADA, size=161), anywhere)


def test_a_clip_as_large_as_it_may_be_is_taken():
    data = clip_of(*"KP" * 60)
    assert len(data) >= 1024
    Clip(data, replace(LIMITS, max_clip_bytes=len(data)))
    with pytest.raises(ClipTooLarge):
        Clip(data, replace(LIMITS, max_clip_bytes=len(data) - 1))


def test_a_model_as_large_as_it_may_be_is_loaded(monkeypatch):
    data = model_bytes()
    monkeypatch.setattr("recognition.custom_model._MAX_BYTES", len(data))
    assert CustomModel.from_bytes(data).labels
    monkeypatch.setattr("recognition.custom_model._MAX_BYTES", len(data) - 1)
    with pytest.raises(CustomModelUnusable, match="export it again"):
        CustomModel.from_bytes(data)
