"""The recognizer with the real models, real portraits, and clips made of them."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from recognition import Gallery, Recognizer
from weights.build import build
from weights.digests import Digests

ROOT = Path(__file__).parents[3]
FIXTURES = ROOT / "fixtures"
ClipMaker = Callable[..., bytes]


@pytest.fixture(scope="session")
def models_dir() -> Path:
    folder = ROOT / "build/models"
    digests = Digests.committed()
    if not digests.are_met_by(folder):
        build(folder, digests)
    return folder


@pytest.fixture(scope="session")
def recognizer(models_dir: Path) -> Recognizer:
    return Recognizer.load(models_dir)


def read_rgb(path: Path, longest_px: int = 600) -> np.ndarray:
    picture = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
    scale = min(1.0, longest_px / max(picture.shape))
    return cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)


@pytest.fixture(scope="session")
def enrolled() -> dict[str, np.ndarray]:
    """One enrollment photo of each person, uint8 RGB."""
    folders = sorted((FIXTURES / "people").iterdir())
    return {folder.name: read_rgb(sorted(folder.glob("*.jpg"))[0]) for folder in folders}


@pytest.fixture(scope="session")
def portraits(enrolled: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """All portraits: the enrollment photos, other photos of these people, and a stranger."""
    sources = sorted((FIXTURES / "sources").glob("*.png"))
    return {**enrolled, **{path.stem: read_rgb(path) for path in sources}}


@pytest.fixture(scope="session")
def gallery(recognizer: Recognizer, enrolled: dict[str, np.ndarray]) -> Gallery:
    made = Gallery.empty()
    for person_id, photo in enrolled.items():
        made = made.with_person(person_id, recognizer.observe(photo)[0].embedding[None])
    return made


@pytest.fixture(scope="session")
def encode() -> ClipMaker:
    """Frames, uint8 [h, w, 3] RGB, as an Annex-B stream with SPS and PPS at each key frame."""

    def make(frames: list[np.ndarray], key_every: int = 15, **options: str) -> bytes:
        codec = av.CodecContext.create("libx264", "w")
        codec.height, codec.width = frames[0].shape[:2]
        codec.pix_fmt, codec.time_base = "yuv420p", Fraction(1, 30)
        codec.bit_rate, codec.thread_count = 3_000_000, 1
        repeat = f"keyint={key_every}:min-keyint={key_every}:scenecut=0:repeat-headers=1"
        codec.options = {"preset": "veryfast", "profile": "baseline", "x264-params": repeat}
        codec.options = {**codec.options, **options}
        stream = b""
        for index, rgb in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(format="yuv420p")
            frame.pts = index
            stream += b"".join(bytes(packet) for packet in codec.encode(frame))
        return stream + b"".join(bytes(packet) for packet in codec.encode(None))

    return make


@pytest.fixture(scope="session")
def film(encode: ClipMaker) -> ClipMaker:
    """A clip of portraits side by side on a plain wall, moving a little, with camera noise."""

    def make(*faces: np.ndarray, height: int = 300, count: int = 15, gain: float = 1.0) -> bytes:
        noise = np.random.default_rng(7)
        frames = []
        for index in range(count):
            frame = np.full((480, 640, 3), 140.0)
            for place, face in enumerate(faces):
                scale = height / face.shape[0]
                part = cv2.resize(face, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
                left = 40 + index + place * 320
                part = part[:, : 640 - left]
                frame[40 : 40 + height, left : left + part.shape[1]] = part
            frame = frame * gain + noise.normal(0, 3, frame.shape)
            frames.append(np.clip(frame, 0, 255).astype(np.uint8))
        return encode(frames)

    return make
