"""Evenly spread frames of a clip against the sharpest around each: who is named, at what cost.

Of a folder for each person. Three quarters of the people are enrolled by one picture; other
pictures of everybody become half-second clips whose quality changes from frame to frame (a shaken
camera, one that looks for its focus, a hand before the face, a lamp that flickers) or stays as
`facelab stress` makes it. Each clip is asked about in every way in turn: a machine whose speed
drifts slows all alike. "One say" is the sharpest, all frames with the same weight.
"""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from recognition import Gallery, Recognizer, Settings
from scripts.console import Progress
from scripts.e2e.film import CLIP_FRAMES
from scripts.errors import LabError
from scripts.paths import ROOT
from training.dataset import DatasetPicture, order, read_picture, read_tree
from training.stress import StressPortrait, changed, clip_of, encoded, framed, noisy, portrait_of
from training.tree import ToolError

WAYS = {
    "even": Settings(sharpest_of=1),
    "sharpest": Settings(),
    "one say": Settings(full_weight_face_px=20, full_weight_blur=1.0),
}
STILL = ("plain", "mask", "sunglasses", "motion 17 px", "dark 1/4")
# A hand comes before the face when it is up at least so far.
_HAND_UP = 0.6


@dataclass
class ClipOutcomes:
    """What came of one kind of clips in one way."""

    right: int = 0
    missed: int = 0
    wrong: int = 0
    strangers: int = 0
    strangers_named: int = 0
    cpu_ms: list[float] = field(default_factory=list)

    def add(self, person: str | None, named: set[str], cpu_ms: float) -> None:
        """`person` is who is in the clip, None for somebody who is not enrolled."""
        self.cpu_ms.append(cpu_ms)
        if person is None:
            self.strangers += 1
            self.strangers_named += bool(named)
        elif named - {person}:
            self.wrong += 1
        else:
            self.right += person in named
            self.missed += person not in named

    def figures(self) -> dict[str, float]:
        counts = {name: own for name, own in vars(self).items() if name != "cpu_ms"}
        return {**counts, "cpu_ms": round(float(np.mean(self.cpu_ms)), 1)}


def _shaken(rgb: np.ndarray, up: float, angle: float) -> np.ndarray:
    length = 1 + 2 * round(11 * up)
    level = np.zeros((length, length), np.float32)
    level[length // 2] = 1
    center = ((length - 1) / 2, (length - 1) / 2)
    line = cv2.warpAffine(level, cv2.getRotationMatrix2D(center, angle, 1), (length, length))
    return cv2.filter2D(rgb, -1, line / line.sum())


def _covered(rgb: np.ndarray, up: float, _: float) -> np.ndarray:
    if up < _HAND_UP:
        return rgb
    height, width = rgb.shape[:2]
    place = (width // 2, round(height / 2 - 20 + 120 * (up - _HAND_UP)))
    return cv2.ellipse(rgb.copy(), place, (50, 38), 20, 0, 360, (170, 130, 110), -1)


# A frame, how bad it is, 0 to 1, and an angle of the clip to the frame as it is then.
CHANGING: dict[str, Callable[[np.ndarray, float, float], np.ndarray]] = {
    "shaken": _shaken,
    "focus": lambda rgb, up, _: cv2.GaussianBlur(rgb, (0, 0), 0.3 + 4 * up),
    "hand": _covered,
    "flicker": lambda rgb, up, _: (rgb * (0.06 + 0.3 * (1 - up))).astype(np.uint8),
}


def changing_clip(rgb: np.ndarray, kind: str, random: np.random.Generator) -> bytes:
    """Half a second of `rgb`, worse and better again in the course of it."""
    phase, speed = random.uniform(0, 2 * math.pi), random.uniform(0.5, 1.4)
    angle = random.uniform(0, 180)
    return encoded(
        noisy(
            CHANGING[kind](framed(rgb, index), abs(math.sin(phase + speed * index)), angle), random
        )
        for index in range(CLIP_FRAMES)
    )


def portraits(
    recognizer: Recognizer, pictures: list[DatasetPicture]
) -> Iterator[tuple[str, StressPortrait]]:
    for picture in pictures:
        found = portrait_of(recognizer, read_picture(picture.path))
        if found is not None:
            yield picture.person_id, found


def compared(
    recognizers: dict[str, Recognizer],
    gallery: Gallery,
    probes: list[tuple[str, StressPortrait]],
    say: Progress,
) -> dict[str, Any]:
    """By kind of clip and way what came of it."""
    random = np.random.default_rng(0)
    report: dict[str, Any] = {}
    for kind in (*CHANGING, *STILL):
        say(f"{kind}: {len(probes)} clips")
        came: dict[str, ClipOutcomes] = defaultdict(ClipOutcomes)
        for person, portrait in probes:
            clip = (
                changing_clip(portrait.rgb, kind, random)
                if kind in CHANGING
                else clip_of(changed(portrait, kind))
            )
            for way in random.permutation(list(recognizers)):
                began = time.process_time()
                found = recognizers[way].recognize(clip, gallery, None)
                cpu_ms = 1000 * (time.process_time() - began)
                named = {face.person_id for face in found.faces if face.person_id}
                came[way].add(person if person in gallery.people else None, named, cpu_ms)
        report[kind] = {way: came[way].figures() for way in recognizers}
    return report


def _drawn(pictures: list[DatasetPicture], count: int) -> list[DatasetPicture]:
    by_name = {picture.path.name: picture for picture in pictures}
    return [by_name[name] for name in order(by_name, 0)[:count]]


def measure(folder: Path, each: int, say: Progress) -> dict[str, Any]:
    """`each` clips of every kind, of every person in `folder`.

    Raises
    ------
    LabError
        When that is no folder of faces, or holds no more than one picture of each person.
    """
    models = ROOT / "build/models"
    recognizers = {way: Recognizer.load(models, settings) for way, settings in WAYS.items()}
    ours = recognizers["sharpest"]
    try:
        tree = read_tree(folder)
    except ToolError as error:
        raise LabError(str(error), "give a folder with one folder a person") from error
    people = order(tree, 0)
    enrolled = people[: len(people) * 3 // 4]
    drawn = {person: _drawn(tree[person], 1 + each) for person in people}
    photos = [drawn[person][0] for person in enrolled]
    asked = [picture for person in people for picture in drawn[person][1:]]
    looks = [(person, ours.observe(one.rgb)) for person, one in portraits(ours, photos)]
    seen = [(person, faces[0].embedding) for person, faces in looks if faces]
    if not seen:
        raise LabError(f"no face found below {folder}", "is it a folder for each person?")
    gallery = Gallery.of([person for person, _ in seen], np.array([row for _, row in seen]))
    probes = list(portraits(ours, asked))
    if not probes:
        raise LabError(
            f"no face to ask about below {folder}", "each person needs more pictures than one"
        )
    return compared(recognizers, gallery, probes, say)


def in_words(facts: dict[str, Any]) -> str:
    """What was found, for a person."""
    return "\n".join(
        [
            "right / missed / wrong, strangers named, CPU a clip",
            *(
                f"{kind:14}{way:10}{of['right']:4} / {of['missed']:3} / {of['wrong']:2}"
                f"{of['strangers_named']:6} of {of['strangers']}{of['cpu_ms']:9.1f} ms"
                for kind, ways in facts.items()
                for way, of in ways.items()
            ),
        ]
    )
