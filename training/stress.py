"""Faces as cameras get them: masks, sunglasses, motion, dark, far away, tilted, turned around.

    facelab stress --data DIR --out DIR [--clips]

DIR/<person>/<picture>, any folder of faces. Writes OUT/<condition>/<person>/<picture>.png, each
condition a tree for `make evaluate`; with `--clips` half-second clips as the device sends them.
`make evaluate ARGS=--stress` makes and measures the same without writing anything.
"""

from __future__ import annotations

import argparse
import inspect
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from recognition import RecognitionError, Recognizer, load_recognizer
from training.dataset import DatasetError, read_picture, read_tree
from training.progress import progress
from training.tree import ToolError, complain, folder, written_whole

ROOT = Path(__file__).resolve().parent.parent
FACE_PX = 130
_LOOKED_AT_PX = 400
_BORDER = 0.6
_NOISE = 2.5


@dataclass(frozen=True)
class StressPortrait:
    """A picture, uint8 RGB, in which the face is `FACE_PX` high, and its five landmarks."""

    rgb: np.ndarray
    landmarks: np.ndarray


Change = Callable[[StressPortrait, np.random.Generator], np.ndarray]


def portrait_of(recognizer: Recognizer, rgb: np.ndarray) -> StressPortrait | None:
    """The picture's largest face with its border continued; None where none is found."""
    border = round(_BORDER * min(rgb.shape[:2]))
    wide = cv2.copyMakeBorder(rgb, border, border, border, border, cv2.BORDER_REPLICATE)
    wide = _scaled(wide, _LOOKED_AT_PX / min(wide.shape[:2]))
    faces = recognizer.observe(wide)
    if not faces:
        return None
    scale = FACE_PX / faces[0].quality.size_px
    return StressPortrait(_scaled(wide, scale), np.asarray(faces[0].landmarks, float) * scale)


def _scaled(rgb: np.ndarray, scale: float) -> np.ndarray:
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=method)


def _axes(portrait: StressPortrait) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Between the eyes, one distance of the eyes across, one down."""
    one, other = portrait.landmarks[:2].mean(0), portrait.landmarks[2:4].mean(0)
    left, right = sorted((one, other), key=lambda point: point[0])
    across = right - left
    return (left + right) / 2, across, np.array([-across[1], across[0]])


def _masked(portrait: StressPortrait, _: np.random.Generator) -> np.ndarray:
    middle, across, down = _axes(portrait)
    outline = [(-1.15, 0.7), (0, 0.5), (1.15, 0.7), (0.95, 1.7), (0, 2.15), (-0.95, 1.7)]
    points = np.array([middle + x * across + y * down for x, y in outline])
    rgb = portrait.rgb.copy()
    cv2.fillPoly(rgb, [np.rint(points).astype(np.int32)], (150, 190, 205), cv2.LINE_AA)
    return rgb


def _with_sunglasses(portrait: StressPortrait, _: np.random.Generator) -> np.ndarray:
    middle, across, down = _axes(portrait)
    rgb, apart = portrait.rgb.copy(), float(np.hypot(*across))
    angle = float(np.degrees(np.arctan2(across[1], across[0])))
    for side in (-0.5, 0.5):
        x, y = np.rint(middle + side * across + 0.03 * down).astype(int)
        size = (round(0.42 * apart), round(0.31 * apart))
        cv2.ellipse(rgb, (int(x), int(y)), size, angle, 0, 360, (18, 18, 22), -1, cv2.LINE_AA)
    return rgb


def _smeared(length: int) -> Change:
    kernel = np.full((1, length), 1 / length)
    return lambda portrait, _: cv2.filter2D(portrait.rgb, -1, kernel)


def _darkened(gain: float) -> Change:
    return lambda portrait, _: (portrait.rgb * gain).astype(np.uint8)


def _tilted(portrait: StressPortrait, _: np.random.Generator) -> np.ndarray:
    height, width = portrait.rgb.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), 30, 1)
    return cv2.warpAffine(portrait.rgb, turn, (width, height), borderMode=cv2.BORDER_REPLICATE)


MADE: dict[str, Change] = {
    "plain": lambda portrait, _: portrait.rgb,
    "mask": _masked,
    "sunglasses": _with_sunglasses,
    "motion 9 px": _smeared(9),
    "motion 17 px": _smeared(17),
    "defocus": lambda portrait, _: cv2.GaussianBlur(portrait.rgb, (0, 0), 3.0),
    "dark 1/4": _darkened(1 / 4),
    "dark 1/16": _darkened(1 / 16),
    "small 45 px": lambda portrait, _: _scaled(portrait.rgb, 45 / FACE_PX),
    "tilted 30": _tilted,
    "rotated 90": lambda portrait, _: np.ascontiguousarray(np.rot90(portrait.rgb)),
    "rotated 180": lambda portrait, _: np.ascontiguousarray(portrait.rgb[::-1, ::-1]),
}


def stressed(recognizer: Recognizer, rgb: np.ndarray, condition: str) -> np.ndarray | None:
    """`rgb` under a condition of `MADE`, with a camera's noise; None without a face in it."""
    portrait = portrait_of(recognizer, rgb)
    return None if portrait is None else changed(portrait, condition)


def changed(portrait: StressPortrait, condition: str) -> np.ndarray:
    random = np.random.default_rng([len(condition), *portrait.rgb.shape])
    return noisy(MADE[condition](portrait, random), random)


def noisy(rgb: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """`rgb` with a camera's noise."""
    return np.clip(rgb + random.normal(0, _NOISE, rgb.shape), 0, 255).astype(np.uint8)


def clip_of(rgb: np.ndarray, frames: int = 15) -> bytes:
    """Half a second of `rgb` in 640x480 as the device sends it: H.264, Annex-B, drifting."""
    random = np.random.default_rng(0)
    return encoded(noisy(framed(rgb, index), random) for index in range(frames))


def encoded(frames: Iterable[np.ndarray]) -> bytes:
    """A clip of frames, uint8 [480, 640, 3] RGB: H.264, Annex-B."""
    codec = av.CodecContext.create("libx264", "w")
    codec.width, codec.height, codec.pix_fmt = 640, 480, "yuv420p"
    codec.time_base, codec.bit_rate, codec.thread_count = Fraction(1, 30), 4_000_000, 1
    codec.options = {
        "preset": "veryfast",
        "profile": "baseline",
        "x264-params": "keyint=15:min-keyint=15:scenecut=0:repeat-headers=1",
    }
    stream = b""
    for index, rgb in enumerate(frames):
        picture = av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(format="yuv420p")
        picture.pts = index
        stream += b"".join(bytes(packet) for packet in codec.encode(picture))
    return stream + b"".join(bytes(packet) for packet in codec.encode(None))


def framed(rgb: np.ndarray, shift: int) -> np.ndarray:
    """The middle of `rgb`, `shift` px further, in a frame of 640x480 with its border continued."""
    move = np.array(
        [[1, 0, 320 - rgb.shape[1] / 2 + shift], [0, 1, 240 - rgb.shape[0] / 2]], np.float32
    )
    return cv2.warpAffine(rgb, move, (640, 480), borderMode=cv2.BORDER_REPLICATE)


def _portraits(
    recognizer: Recognizer, data: Path
) -> Iterator[tuple[str, str, StressPortrait | None]]:
    pictures = [picture for own in read_tree(data).values() for picture in own]
    for picture in progress(pictures, "stress"):
        try:
            found = portrait_of(recognizer, read_picture(picture.path))
        except DatasetError:
            found = None
        yield picture.person_id, picture.path.stem, found


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="facelab stress",
        description=inspect.cleandoc(__doc__ or ""),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=folder, required=True, help="a folder for each person")
    parser.add_argument("--out", type=folder, required=True, help="where to write")
    parser.add_argument("--condition", choices=tuple(MADE), action="append", help="default: all")
    parser.add_argument("--clips", action="store_true", help="clips instead of pictures")
    parser.add_argument(
        "--models", type=Path, default=ROOT / "build" / "models", help="default: build/models/"
    )
    parser.add_argument("--json", action="store_true", help="JSON, and nothing else on stdout")
    options = parser.parse_args(arguments)
    written, without_face = 0, []
    try:
        recognizer = load_recognizer(options.models)
        for person, name, portrait in _portraits(recognizer, options.data):
            if portrait is None:
                without_face.append(f"{person}/{name}")
                continue
            for condition in options.condition or MADE:
                _write(options.out, condition, person, name, changed(portrait, condition), options)
                written += 1
    except (ToolError, RecognitionError, OSError) as error:
        return complain(error)
    for name in without_face:
        print(f"stress: no face found in {name}", file=sys.stderr)
    if not written:
        return complain(f"no face in any picture below {options.data}")
    kind = "clips" if options.clips else "pictures"
    if options.json:
        told = {kind: written, "out": str(options.out), "without_face": without_face}
        print(json.dumps(told, ensure_ascii=False))
    else:
        print(f"stress: {written} {kind} below {options.out}")
    return 0


def _write(
    out: Path, condition: str, person: str, name: str, rgb: np.ndarray, options: argparse.Namespace
) -> None:
    safe = condition.replace("/", "-").replace(" ", "-")
    suffix = "h264" if options.clips else "png"
    with written_whole(out / safe / person / f"{name}.{suffix}") as part:
        if options.clips:
            part.write_bytes(clip_of(rgb))
        else:
            part.write_bytes(cv2.imencode(".png", rgb[..., ::-1])[1].tobytes())


if __name__ == "__main__":
    sys.exit(main())
