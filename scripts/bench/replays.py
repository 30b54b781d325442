"""Can a photo or a screen before the camera be told from a person, by the frames we decode?

Of clips of the fixture replays are made: the first frame printed on paper and held by an unsteady
hand, and the clip played on a screen with its pixels and frame. Prints for each simple feature
how well it tells them apart (AUC; 0.5 is chance) and, at a threshold that doubts one person in
twenty (BPCER 5 %), which share of replays it lets pass (APCER).

Who draws the replays knows what will be looked for: what fails here fails, what works here may
not work on a real screen.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import cv2
import numpy as np

from contract.annexb import access_units, nal_units
from contract.results import Box
from recognition import Clip, Recognizer, Settings
from scripts.console import Progress
from scripts.paths import ROOT

BPCER = 0.05
_FRAMES = 3
_SIDE = 128
Frames = list[np.ndarray]


def people(count: int) -> list[Frames]:
    """Frames of clips in which one person is, easily seen."""
    truth = json.loads((ROOT / "fixtures/truth.json").read_text())["clips"]
    keys: list[list[bytes]] = []
    for picture in access_units(nal_units((ROOT / "fixtures/lab.h264").read_bytes())):
        if picture.is_key:
            keys.append([])
        keys[-1].append(picture.to_bytes())
    easy = [
        i for i, clip in enumerate(truth)
        if len(clip["visible"]) + clip["strangers"] == 1 and set(clip["tags"]) <= {"stranger"}
    ]  # fmt: skip
    chosen = [easy[i * len(easy) // count] for i in range(min(count, len(easy)))]
    return [
        [frame.to_rgb() for frame in Clip(b"".join(keys[i]), Settings()).frames(_FRAMES)]
        for i in chosen
    ]


def on_paper(frames: Frames, random: np.random.Generator) -> Frames:
    return _held([frames[0]] * len(frames), frames[0], (235, 233, 228), 0.0, random)


def on_screen(frames: Frames, random: np.random.Generator) -> Frames:
    return _held(frames, frames[0], (12, 12, 14), float(random.uniform(0.05, 0.25)), random)


def _held(
    shown: Frames,
    room: np.ndarray,
    border: tuple[int, int, int],
    pixels: float,
    random: np.random.Generator,
) -> Frames:
    """`shown` in a border, in perspective, before a blurred room, in an unsteady hand."""
    height, width = room.shape[:2]
    behind = cv2.GaussianBlur(np.ascontiguousarray(room[:, ::-1]), (0, 0), 9)
    size, pitch = random.uniform(0.8, 1.3), random.uniform(1.6, 3.2)
    tilt, start = random.uniform(-0.06, 0.06, (4, 2)), random.uniform(-0.05, 0.05, 2)
    drift, noise = random.uniform(-0.02, 0.02, 2), random.normal(0, 2.5, room.shape)
    corners = np.array([(0, 0), (1, 0), (1, 1), (0, 1)], np.float32)
    seen = []
    for step, rgb in enumerate(shown):
        framed = cv2.copyMakeBorder(rgb, 24, 24, 24, 24, cv2.BORDER_CONSTANT, value=border)
        target = 0.5 + (corners - 0.5) * size + tilt + start + drift * step
        source = corners * (framed.shape[1], framed.shape[0])
        to = cv2.getPerspectiveTransform(
            source.astype(np.float32), (target * (width, height)).astype(np.float32)
        )
        warped = cv2.warpPerspective(framed, to, (width, height), borderValue=(0, 0, 0))
        inside = cv2.warpPerspective(np.ones(framed.shape[:2], np.float32), to, (width, height))
        if pixels:
            warped = _with_pixels(warped, to, pitch, pixels)
        mixed = behind * (1 - inside[..., None]) + warped * inside[..., None]
        seen.append(np.clip(mixed + np.roll(noise, step, 0), 0, 255).astype(np.uint8))
    return seen


def _with_pixels(rgb: np.ndarray, to: np.ndarray, pitch: float, depth: float) -> np.ndarray:
    """The grid of a screen, sampled by the sensor: where the two are nearly in step, moiré."""
    y, x = np.mgrid[: rgb.shape[0], : rgb.shape[1]].astype(np.float32)
    back = np.linalg.inv(to)
    depths = back[2, 0] * x + back[2, 1] * y + back[2, 2]
    u = (back[0, 0] * x + back[0, 1] * y + back[0, 2]) / depths
    v = (back[1, 0] * x + back[1, 1] * y + back[1, 2]) / depths
    grid = np.stack([np.sin(2 * np.pi * (u / pitch + c / 3)) for c in range(3)], -1)
    rows = np.sin(2 * np.pi * v / pitch)[..., None]
    return rgb * (1 + depth * 0.5 * (grid + rows))


def moire(frames: Frames, box: Box) -> float:
    """The strongest narrow peak of the face's spectrum, above what is usual at its frequency."""
    part = cv2.cvtColor(_face(frames[0], box), cv2.COLOR_RGB2GRAY).astype(np.float32)
    window = np.outer(np.hanning(_SIDE), np.hanning(_SIDE))
    power = np.abs(np.fft.fftshift(np.fft.fft2((part - part.mean()) * window)))
    y, x = np.mgrid[:_SIDE, :_SIDE] - _SIDE // 2
    radius = np.hypot(x, y).astype(int)
    usual = np.array([np.median(power[radius == r]) for r in range(_SIDE // 2)])
    high = (radius >= _SIDE // 8) & (radius < _SIDE // 2)
    return float((power[high] / usual[radius[high]]).max())


def edges(frames: Frames, box: Box) -> float:
    """Straight lines longer than the face around it, in faces."""
    gray = cv2.cvtColor(frames[0], cv2.COLOR_RGB2GRAY)
    side = box.bottom - box.top
    lines = cv2.HoughLinesP(cv2.Canny(gray, 60, 160), 1, np.pi / 360, 60, None, side, 6)
    if lines is None:
        return 0.0
    ends = lines.reshape(-1, 4).astype(float)
    return float(np.hypot(ends[:, 2] - ends[:, 0], ends[:, 3] - ends[:, 1]).sum() / side)


def stiffness(frames: Frames, box: Box) -> float:
    """How well the first face, moved and turned as a plane, explains the last: a face that
    turns or blinks is no plane."""
    first, last = (
        cv2.cvtColor(_face(frame, box), cv2.COLOR_RGB2GRAY).astype(np.float32)
        for frame in (frames[0], frames[-1])
    )
    stop = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 60, 1e-5)
    start, everywhere = np.eye(3, dtype=np.float32), np.ones(first.shape, np.uint8)
    try:
        fit, _ = cv2.findTransformECC(
            first, last, start, cv2.MOTION_HOMOGRAPHY, stop, everywhere, 5
        )
    except cv2.error:  # it does not converge: no plane
        return 0.0
    return float(fit)


def _face(rgb: np.ndarray, box: Box) -> np.ndarray:
    top, left = max(0, box.top), max(0, box.left)
    return cv2.resize(rgb[top : box.bottom, left : box.right], (_SIDE, _SIDE))


FEATURES: dict[str, Callable[[Frames, Box], float]] = {
    "moire": moire,
    "edges": edges,
    "stiffness": stiffness,
}


def figures(live: Sequence[float], replayed: Sequence[float]) -> dict[str, float]:
    """Higher says replay."""
    a, b = np.array(live), np.array(replayed)
    wins = (b[:, None] > a[None]).mean() + 0.5 * (b[:, None] == a[None]).mean()
    threshold = np.quantile(a, 1 - BPCER)
    return {"auc": round(float(wins), 3), "apcer": round(float((b <= threshold).mean()), 3)}


def measure(count: int, say: Progress) -> dict[str, Any]:
    """Each feature's `figures` of `count` clips at most, as on paper and as on a screen."""
    random, recognizer = np.random.default_rng(0), Recognizer.load(ROOT / "build/models")
    made: dict[str, Callable[[Frames], Frames]] = {
        "live": lambda frames: frames,
        "paper": lambda frames: on_paper(frames, random),
        "screen": lambda frames: on_screen(frames, random),
    }
    clips = people(count)
    scores: dict[str, list[list[float]]] = {}
    for kind, make in made.items():
        say(f"{kind}: {len(clips)} clips")
        for frames in map(make, clips):
            seen = recognizer.look(frames[0])
            if seen:
                own = [feature(frames, seen[0].box) for feature in FEATURES.values()]
                scores.setdefault(kind, []).append(own)
    return {
        "n": {kind: len(rows) for kind, rows in scores.items()},
        **{
            name: {
                kind: figures([r[i] for r in scores["live"]], [r[i] for r in scores[kind]])
                for kind in ("paper", "screen")
            }
            for i, name in enumerate(FEATURES)
        },
    }


def in_words(facts: dict[str, Any]) -> str:
    """What was found, for a person."""
    counts = ", ".join(f"{number} {kind}" for kind, number in facts["n"].items())
    rows = [
        f"{name:>10}, {kind:6}  AUC {found['auc']:.3f}  APCER {found['apcer']:6.1%}"
        for name in FEATURES
        for kind, found in facts[name].items()
    ]
    return "\n".join([f"clips: {counts}", *rows])
