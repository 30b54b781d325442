"""What the online model's distances mean, measured on a folder of faces (one folder a person).

Every picture is also made small, dark, tilted and blurred like a camera's. Says how near
strangers come and how far the right people are, what the settings then accept with some
people enrolled and the others as strangers, and how often a nearest person is the right one
where the score said so; for distances at unit length, by which facelab decides, and for raw
ones, by which FACELAB_RECOGNIZER=face_recognition_raw does (on our detector's faces). Also what a
face may have become from one frame to the next, by which tracks are followed. Says nothing of
people who look otherwise than these: measure your own.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from recognition import Gallery, Recognizer, Settings
from recognition.decision import decide_online
from recognition.embedder import distances_between
from recognition.inquiry import Measure
from recognition.reference import RAW
from scripts.bench.photos import read_photo
from scripts.console import Progress
from scripts.errors import LabError
from scripts.paths import ROOT

PICTURES = (".pgm", ".png", ".jpg", ".jpeg")
SCORES = (0.0, 0.05, 0.2, 0.5, 0.8, 0.95, 1.0)
_BORDER = 0.25
# Tiny faces are looked for too, in pictures that show little else.
SEARCH = Settings(smallest_face_px=36, max_level_px=200_000)


@dataclass(frozen=True)
class DistanceRule:
    """How faces are compared, and the settings that decide by it."""

    settings: Settings
    measure: Measure
    between: Callable[[np.ndarray, np.ndarray], np.ndarray]
    thresholds: tuple[float, ...]


def raw_distances_between(some: np.ndarray, others: np.ndarray) -> np.ndarray:
    """L2 of embeddings as they are, [n, 128] and [m, 128]: [n, m]."""
    return np.array([np.linalg.norm(others - one, axis=1) for one in some])


RULES = {
    "unit length": DistanceRule(
        Settings(),
        Gallery.distances,
        distances_between,
        (0.26, 0.28, 0.30, 0.32, 0.34, 0.36, 0.38, 0.40, 0.42),
    ),
    "raw": DistanceRule(
        RAW,
        Gallery.raw_distances,
        raw_distances_between,
        (0.40, 0.43, 0.46, 0.48, 0.50, 0.52, 0.54, 0.57, 0.60),
    ),
}


@dataclass(frozen=True)
class VariedFaces:
    """Embeddings of one variation of all pictures, with who and which picture each is, and the
    contrast of each face."""

    embeddings: np.ndarray  # float32 [n, 128]
    owners: np.ndarray  # [n]
    pictures: np.ndarray  # [n]
    contrasts: np.ndarray  # [n]
    missed: int

    def of(self, rows: np.ndarray) -> VariedFaces:
        """These rows alone."""
        return VariedFaces(
            self.embeddings[rows],
            self.owners[rows],
            self.pictures[rows],
            self.contrasts[rows],
            missed=0,
        )


def variations(noise: np.random.Generator) -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    def camera(rgb: np.ndarray, sigma: float) -> np.ndarray:
        return np.clip(rgb + noise.normal(0, sigma, rgb.shape), 0, 255).astype(np.uint8)

    def tilted(rgb: np.ndarray) -> np.ndarray:
        height, width = rgb.shape[:2]
        turn = cv2.getRotationMatrix2D((width / 2, height / 2), float(noise.uniform(-25, 25)), 1)
        return cv2.warpAffine(rgb, turn, (width, height), borderMode=cv2.BORDER_REPLICATE)

    return {
        "as it is": lambda rgb: at_height(rgb, 336),
        "small": lambda rgb: camera(at_height(rgb, 112), 3),
        "tiny": lambda rgb: camera(at_height(rgb, 64), 3),
        "dark": lambda rgb: camera(at_height(rgb, 200) * 0.15, 1.5),
        "tilted": lambda rgb: tilted(at_height(rgb, 240)),
        "blurred": lambda rgb: camera(cv2.GaussianBlur(at_height(rgb, 200), (0, 0), 2.5), 3),
        "badly blurred": lambda rgb: camera(cv2.GaussianBlur(at_height(rgb, 200), (0, 0), 4.5), 3),
    }


def at_height(rgb: np.ndarray, height: int) -> np.ndarray:
    scale = height / rgb.shape[0]
    method = cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA
    resized = cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=method)
    border = round(height * _BORDER)
    return cv2.copyMakeBorder(resized, border, border, border, border, cv2.BORDER_REPLICATE)


def people_of(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir())


def read(folder: Path) -> Iterator[tuple[int, int, np.ndarray]]:
    """(person, picture, uint8 RGB) of every picture."""
    for person, home in enumerate(people_of(folder)):
        paths = sorted(path for path in home.iterdir() if path.suffix.lower() in PICTURES)
        for picture, path in enumerate(paths):
            yield person, picture, read_photo(path)


def embed_all(
    recognizer: Recognizer, folder: Path, vary: Callable[[np.ndarray], np.ndarray]
) -> VariedFaces:
    rows, owners, pictures, contrasts, missed = [], [], [], [], 0
    for person, picture, rgb in read(folder):
        seen = recognizer.observe(vary(rgb))
        if not seen:
            missed += 1
            continue
        rows.append(seen[0].embedding)
        owners.append(person)
        pictures.append(picture)
        contrasts.append(seen[0].quality.contrast)
    if len(set(owners)) < 4:
        raise LabError(f"faces of {len(set(owners))} people in {folder}", "it takes four or more")
    return VariedFaces(
        np.array(rows), np.array(owners), np.array(pictures), np.array(contrasts), missed
    )


def distances(
    probes: VariedFaces, enrolled: VariedFaces, rule: DistanceRule
) -> dict[str, dict[str, float]]:
    """Share of pairs within each distance, for strangers and for other pictures of a person."""
    far = rule.between(probes.embeddings, enrolled.embeddings)
    same = probes.owners[:, None] == enrolled.owners[None]
    other_picture = probes.pictures[:, None] != enrolled.pictures[None]
    return {
        "strangers": {f"{t:.2f}": float((far[~same] < t).mean()) for t in rule.thresholds},
        "right": {
            f"{t:.2f}": float((far[same & other_picture] < t).mean()) for t in rule.thresholds
        },
    }


def following(faces: dict[str, VariedFaces], settings: Settings) -> dict[str, Any]:
    """What a track takes for its face, at its place and at another one: by variation the shares of
    the same picture's, of other pictures of the person, and of strangers that are near enough to a
    face as it was."""
    before = faces["as it is"]
    report: dict[str, Any] = {}
    for name in ("track_distance", "track_distance_in_place"):
        limit = getattr(settings, name)
        report[name] = {"distance": limit}
        for kind, after in faces.items():
            near = distances_between(after.embeddings, before.embeddings) <= limit
            same = after.owners[:, None] == before.owners[None]
            moment = same & (after.pictures[:, None] == before.pictures[None])
            report[name][kind] = {
                "same_picture": round(float(near[moment].mean()), 4),
                "same_person": round(float(near[same & ~moment].mean()), 4),
                "strangers": round(float(near[~same].mean()), 6),
            }
    return report


@dataclass(frozen=True)
class ProbeOutcome:
    """What one picture led to."""

    is_known: bool
    is_right: bool  # the nearest is the one
    is_named: bool
    score: float


def outcomes(
    probes: VariedFaces,
    enrolled: VariedFaces,
    people: int,
    photos: int,
    draws: int,
    rule: DistanceRule,
) -> Iterator[ProbeOutcome]:
    """Of every picture, as often as it is drawn who of `people` is enrolled with `photos` each."""
    random = np.random.default_rng(people * 100 + photos)
    for _ in range(draws):
        chosen = random.permutation(np.unique(enrolled.owners))[:people]
        rows = [
            random.permutation(np.flatnonzero(enrolled.owners == person))[:photos]
            for person in chosen
        ]
        used = np.concatenate(rows)
        gallery = Gallery.of(
            [f"{owner:04d}" for owner in enrolled.owners[used]], enrolled.embeddings[used]
        )
        taken = {(enrolled.owners[row], enrolled.pictures[row]) for row in used}
        for row, owner in enumerate(probes.owners):
            if (owner, probes.pictures[row]) in taken:
                continue
            added = rule.settings.distance_added(probes.contrasts[row])
            far = rule.measure(gallery, probes.embeddings[row]) + added
            verdict = decide_online(gallery.people, far[None], [1.0], rule.settings)
            yield ProbeOutcome(
                is_known=bool(owner in chosen),
                is_right=verdict.nearest == f"{owner:04d}",
                is_named=verdict.person_id is not None,
                score=verdict.score,
            )


def open_set(came: list[ProbeOutcome]) -> dict[str, float]:
    """Shares of known people's pictures and of strangers'."""
    known = [one for one in came if one.is_known]
    strangers = [one for one in came if not one.is_known]
    return {
        "named_right": _share(known, lambda one: one.is_named and one.is_right),
        "named_wrong": _share(known, lambda one: one.is_named and not one.is_right),
        "stranger_named": _share(strangers, lambda one: one.is_named),
    }


def reliability(came: list[ProbeOutcome]) -> dict[str, dict[str, float]]:
    """What the score said, and how often the nearest person was the right one; every other face
    counts as a stranger's, however many of each there were."""
    known = sum(one.is_known for one in came)
    weight = {True: 0.5 / max(1, known), False: 0.5 / max(1, len(came) - known)}
    report: dict[str, dict[str, float]] = {}
    for low, high in itertools.pairwise(SCORES):
        within = [one for one in came if low <= one.score < high or one.score == high == 1.0]
        weights = np.array([weight[one.is_known] for one in within])
        if not len(within):
            continue
        report[f"{low:g} to {high:g}"] = {
            "said": round(float(np.average([one.score for one in within], weights=weights)), 3),
            "was": round(float(np.average([one.is_right for one in within], weights=weights)), 3),
            "n": len(within),
        }
    return report


def _share(came: list[ProbeOutcome], is_so: Callable[[ProbeOutcome], bool]) -> float:
    return round(sum(map(is_so, came)) / max(1, len(came)), 4)


def measured(faces: dict[str, VariedFaces], rule: DistanceRule, draws: int) -> dict[str, Any]:
    """Everything about one rule; `faces` by variation, "as it is" is who gets enrolled."""
    enrolled = faces["as it is"]
    count = len(np.unique(enrolled.owners))
    sizes = sorted({3, min(10, count - 2), count * 3 // 4})
    kinds: dict[str, Any] = {}
    scores: dict[str, Any] = {}
    for kind, probes in faces.items():
        shares = {}
        for people in sizes:
            for photos in (1, 3):
                name = f"{people} people, {photos} photos"
                came = list(outcomes(probes, enrolled, people, photos, draws, rule))
                shares[name] = open_set(came)
                if kind == "as it is":
                    scores[name] = reliability(came)
        kinds[kind] = {
            "missed": probes.missed,
            **distances(probes, enrolled, rule),
            "open_set": shares,
        }
    return {"pictures": kinds, "scores": scores}


def measure(folder: Path, draws: int, say: Progress) -> dict[str, Any]:
    """Everything about each rule, of the people in `folder`.

    Raises
    ------
    LabError
        When that is no folder.
    """
    if not folder.is_dir():
        raise LabError(f"{folder} is not a folder", "give a folder with one folder a person")
    recognizer = Recognizer.load(ROOT / "build/models", SEARCH)
    faces = {}
    for kind, vary in variations(np.random.default_rng(1)).items():
        say(f"{kind}: finding and embedding every face")
        with say.usual(kind, f"calibrate-distances {folder}"):
            faces[kind] = embed_all(recognizer, folder, vary)
    rules = say.each(RULES.items(), "rules", len(RULES))
    facts = {name: measured(faces, rule, draws) for name, rule in rules}
    facts["following"] = following(faces, RULES["unit length"].settings)
    return facts


def in_words(facts: dict[str, Any]) -> str:
    """What was found, for a person."""
    rules = [f"{name}\n\n{_of_rule(facts[name])}\n" for name in RULES]
    return "\n".join([*rules, _of_following(facts["following"])])


def _of_following(report: dict[str, Any]) -> str:
    lines = ["near enough to follow: same picture / same person / strangers, %"]
    for name, kinds in report.items():
        lines.append(f"{name} ({kinds['distance']})")
        for kind, found in kinds.items():
            if kind != "distance":
                shares = " / ".join(f"{100 * one:.2f}" for one in found.values())
                lines.append(f"  {kind:24} {shares}")
    return "\n".join(lines)


def _of_rule(report: dict[str, Any]) -> str:
    kinds = report["pictures"]
    thresholds = kinds["as it is"]["strangers"]
    lines = ["share of pairs within a distance".ljust(34) + "".join(f"{t:>9}" for t in thresholds)]
    for kind, row in kinds.items():
        for who in ("strangers", "right"):
            shares = "".join(f"{share:9.5f}" for share in row[who].values())
            lines.append(f"{kind}, {who}".ljust(34) + shares)
    lines.append(
        "\none picture, the settings as they are: named right / named wrong / stranger named"
    )
    for kind, row in kinds.items():
        lines.append(f"{kind} ({row['missed']} faces not found)")
        for setting, rates in row["open_set"].items():
            values = " / ".join(f"{share:.4f}" for share in rates.values())
            lines.append(f"  {setting:24} {values}")
    lines.append(
        "\nthe score, pictures as they are: what it said, and how often the nearest was right"
    )
    for setting, bins in report["scores"].items():
        told = ", ".join(f"{one['said']:.2f}: {one['was']:.2f}" for one in bins.values())
        lines.append(f"  {setting:24} {told}")
    return "\n".join(lines)
