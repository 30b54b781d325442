"""Faces that are hard to find: ours against face_recognition.face_locations (upsample 1).

Real portraits are put into the fixture's empty room: small, dark, tilted, half covered,
blurred. Prints a table of faces found, as Markdown, and writes out/detection.json.

`--sizes` looks for every portrait at sizes from 60 to 400 px instead, in several tones, as a
clip's first frame is looked at: is there a size at which nobody is found? `--empty N` looks
for faces in N pictures of nobody (`--photographs DIR`: parts of pictures without people, too).
These write out/detection-sizes.json and out/detection-empty.json.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from contract.annexb import access_units, nal_units
from contract.results import Box
from recognition import Recognizer, Settings
from recognition.decode import Clip
from recognition.detector import Detector
from scripts.bench.hard_pictures import SIZES_PX, TONES, empty_pictures, toned
from scripts.bench.photos import read_photo
from scripts.console import Progress
from scripts.errors import LabError
from scripts.paths import BUILD, ROOT

Finders = dict[str, Callable[[np.ndarray], list[Box]]]
MODELS = BUILD / "models"
_HEAD = 1.9  # of the face box, cut from the portrait with the hair


@dataclass(frozen=True)
class Head:
    """A head cut from a portrait: uint8 RGB, and the face's height in it, px."""

    name: str
    rgb: np.ndarray
    face_px: int


@dataclass(frozen=True)
class FaceScene:
    """A frame, uint8 RGB, with one face at `box`."""

    kind: str
    rgb: np.ndarray
    box: Box


@dataclass(frozen=True)
class Hardship:
    """How a face stands in a scene: its height, px, the light, its tilt, degrees, what covers it,
    and the blur's sigma, px."""

    face_px: float = 130
    gain: float = 1
    angle: float = 0
    cover: str = ""
    blur: float = 0


@dataclass(frozen=True)
class DetectionRow:
    kind: str
    faces: int
    found: int
    false_alarms: int
    median_ms: float


def heads(recognizer: Recognizer) -> list[Head]:
    paths = sorted((ROOT / "fixtures/people").glob("*/*.jpg"))
    paths += sorted((ROOT / "fixtures/sources").glob("*.png"))
    found = []
    for path in paths:
        rgb = read_photo(path)
        faces = recognizer.observe(rgb)
        if len(faces) != 1:
            raise LabError(f"{len(faces)} faces in {path}", "the fixture changed")
        box = faces[0].box
        half = int((box.bottom - box.top) * _HEAD / 2)
        y, x = (box.top + box.bottom) // 2, (box.left + box.right) // 2
        padded = cv2.copyMakeBorder(rgb, half, half, half, half, cv2.BORDER_REPLICATE)
        found.append(
            Head(path.stem, padded[y : y + 2 * half, x : x + 2 * half], box.bottom - box.top)
        )
    return found


def empty_rooms(count: int) -> list[np.ndarray]:
    truth = json.loads((ROOT / "fixtures/truth.json").read_text())["clips"]
    empty = [i for i, clip in enumerate(truth) if not clip["visible"] and not clip["strangers"]]
    stream = nal_units((ROOT / "fixtures/lab.h264").read_bytes())
    keys = [p for p in access_units(stream) if p.is_key]
    chosen = [empty[i * len(empty) // count] for i in range(count)]
    return [next(Clip(keys[i].to_bytes(), Settings()).frames(1)).to_rgb() for i in chosen]


def place(
    head: Head, room: np.ndarray, face_px: float, angle: float, cover: str, where: tuple[int, int]
) -> tuple[np.ndarray, Box]:
    """The room with the head in it, its face's center at `where` (x, y)."""
    scale = face_px / head.face_px
    side = head.rgb.shape[0]
    turn = cv2.getRotationMatrix2D((side / 2, side / 2), angle, scale)
    turn[:, 2] += np.array(where) - side / 2
    source = cover_half(head.rgb, cover)
    if scale < 0.5:  # warpAffine would alias
        blur = 0.5 / scale
        source = cv2.GaussianBlur(source, (0, 0), blur * 0.7)
    mask: np.ndarray = np.zeros((side, side), np.float32)
    cv2.ellipse(mask, (side // 2, side // 2), (int(side * 0.4), int(side * 0.47)), 0, 0, 360, 1, -1)
    mask = cv2.GaussianBlur(mask, (0, 0), side * 0.02)
    size = (room.shape[1], room.shape[0])
    alpha = cv2.warpAffine(mask, turn, size)[..., None]
    moved = cv2.warpAffine(source, turn, size, borderMode=cv2.BORDER_REPLICATE)
    half = round(face_px / 2)
    box = Box(where[1] - half, where[0] + half, where[1] + half, where[0] - half)
    return (room * (1 - alpha) + moved * alpha).astype(np.uint8), box


def cover_half(rgb: np.ndarray, cover: str) -> np.ndarray:
    covered = rgb.copy()
    side = rgb.shape[0]
    gray = (96, 84, 78)
    if cover == "side":
        covered[:, : side // 2] = gray
    elif cover == "mouth":
        covered[int(side * 0.58) :] = gray
    elif cover == "brow":
        covered[: int(side * 0.36)] = gray
    return covered


def camera(rgb: np.ndarray, noise: np.random.Generator, gain: float, blur: float) -> np.ndarray:
    picture: np.ndarray = rgb.astype(np.float32) * gain
    if blur:
        picture = cv2.GaussianBlur(picture, (0, 0), blur)
    return np.clip(picture + noise.normal(0, 2.5, rgb.shape), 0, 255).astype(np.uint8)


def scenes(recognizer: Recognizer) -> Iterator[FaceScene]:
    noise = np.random.default_rng(11)
    rooms = empty_rooms(2)
    people = heads(recognizer)
    kinds = [(f"small, {px} px", Hardship(face_px=px)) for px in (40, 50, 60, 75, 90)]
    kinds += [
        (f"dark, 1/{round(1 / g)} of the light", Hardship(gain=g)) for g in (0.25, 0.125, 0.0625)
    ]
    kinds += [(f"tilted by {a}°", Hardship(angle=a)) for a in (15, 25, 35, 45)]
    kinds += [(f"covered: {cover}", Hardship(cover=cover)) for cover in ("side", "mouth", "brow")]
    kinds += [(f"blurred, sigma {b}", Hardship(blur=b)) for b in (3.0, 5.0)]
    kinds += [("small and dark", Hardship(face_px=60, gain=0.2))]
    kinds += [("tilted and covered", Hardship(angle=20, cover="mouth"))]
    for kind, hard in kinds:
        for number, head in enumerate(people):
            for turn, room in enumerate(rooms):
                where = (int(noise.integers(150, 490)), int(noise.integers(150, 330)))
                angle = hard.angle * (-1) ** (number + turn)
                rgb, box = place(head, room, hard.face_px, angle, hard.cover, where)
                yield FaceScene(kind, camera(rgb, noise, hard.gain, hard.blur), box)


def is_hit(found: Box, wanted: Box) -> bool:
    """The center within a third of a face, the size within a factor of 1.8."""
    size, wanted_size = found.bottom - found.top, wanted.bottom - wanted.top
    off = np.hypot(
        (found.left + found.right - wanted.left - wanted.right) / 2,
        (found.top + found.bottom - wanted.top - wanted.bottom) / 2,
    )
    return bool(off < wanted_size / 3 and 1 / 1.8 < size / wanted_size < 1.8)


def count(
    find: Callable[[np.ndarray], list[Box]], kind: str, pictures: list[FaceScene]
) -> DetectionRow:
    found = false_alarms = 0
    times = []
    for scene in pictures:
        started = time.perf_counter()
        boxes = find(scene.rgb)
        times.append((time.perf_counter() - started) * 1000)
        hits = [is_hit(box, scene.box) for box in boxes]
        found += any(hits)
        false_alarms += hits.count(False)
    return DetectionRow(kind, len(pictures), found, false_alarms, statistics.median(times))


def sizes(recognizer: Recognizer, find: Callable[[np.ndarray], list[Box]]) -> list[DetectionRow]:
    """Every head at every size, a row for each tone and size."""
    people, room = heads(recognizer), empty_rooms(1)[0]
    noise = np.random.default_rng(3)
    rows = []
    for tone in TONES:
        for face_px in SIZES_PX:
            pictures = []
            for head in people:
                other = replace(head, rgb=toned(head.rgb, tone))
                rgb, box = place(other, room, face_px, 0, "", (320, 240))
                pictures.append(FaceScene(tone, camera(rgb, noise, 1, 0), box))
            rows.append(count(find, f"{tone}, {face_px} px", pictures))
    return rows


def empty(
    count: int, photographs: Path | None, finders: Finders, say: Progress
) -> dict[str, list[int]]:
    """For each finder the numbers of the pictures in which it sees somebody."""
    alarms: dict[str, list[int]] = {name: [] for name in finders}
    pictures = say.each(empty_pictures(count, photographs), "pictures", count)
    for number, rgb in enumerate(pictures):
        for name, find in finders.items():
            if find(rgb):
                alarms[name].append(number)
    return alarms


def hard_faces(say: Progress) -> dict[str, Any]:
    """Each finder, and face_recognition's, over all hard faces."""

    def theirs(rgb: np.ndarray) -> list[Box]:
        import face_recognition

        return [Box(*box) for box in face_recognition.face_locations(rgb)]

    by_kind: dict[str, list[FaceScene]] = {}
    for scene in scenes(Recognizer.load(MODELS)):
        by_kind.setdefault(scene.kind, []).append(scene)
    rows: dict[str, list[DetectionRow]] = {}
    for finder, find in {"face_locations": theirs, **our_finders()}.items():
        say(f"{finder}: {sum(map(len, by_kind.values()))} faces")
        kinds = say.each(by_kind.items(), f"kinds, {finder}", len(by_kind))
        rows[finder] = [count(find, kind, pictures) for kind, pictures in kinds]
    return summed(rows)


def every_size(say: Progress) -> dict[str, Any]:
    """A clip's finder over every head at every size."""
    with say.usual("faces of every size", "bench-detection sizes"):
        return summed({"clip": sizes(Recognizer.load(MODELS), our_finders()["clip"])})


def nobody(pictures: int, photographs: Path | None, say: Progress) -> dict[str, Any]:
    """False alarms of our finders, on pictures of nobody."""
    alarms = empty(pictures, photographs, our_finders(), say)
    return {"pictures": pictures, "false_alarms": alarms}


def our_finders() -> Finders:
    """As a clip's first frame is looked at, and as a photo is."""
    detector = Detector(MODELS / "detector.onnx", Settings())
    return {
        "clip": lambda rgb: [face.box for face in detector.find(rgb)],
        "photo": lambda rgb: [face.box for face in detector.find_all(rgb)],
    }


def summed(rows: dict[str, list[DetectionRow]]) -> dict[str, Any]:
    """`faces` looked for, and by finder all `found`, all `false_alarms` and the `kinds` of faces,
    each with how many there are and how many were found."""
    some = next(iter(rows.values()))
    return {
        "faces": sum(row.faces for row in some),
        "found": {name: sum(row.found for row in own) for name, own in rows.items()},
        "false_alarms": {name: sum(row.false_alarms for row in own) for name, own in rows.items()},
        "median_ms": {
            name: round(statistics.median(row.median_ms for row in own), 1)
            for name, own in rows.items()
        },
        "kinds": [
            {
                "kind": same[0].kind,
                "faces": same[0].faces,
                "found": {name: row.found for name, row in zip(rows, same, strict=True)},
            }
            for same in zip(*rows.values(), strict=True)
        ],
    }
