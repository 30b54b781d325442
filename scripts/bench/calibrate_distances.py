"""What the online model's distances mean, measured on a folder of faces (one folder a person).

Every picture is also made small, dark, tilted and blurred like a camera's. Prints how near
strangers come and how far the right people are, and what the settings then accept with some
people enrolled and the others as strangers. Says nothing of people who look otherwise than
these: measure your own.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from recognition import Gallery, Recognizer, Settings
from recognition.decision import decide_online
from recognition.embedder import distances_between
from scripts.console import Progress, print_json, run_command
from scripts.errors import LabError
from scripts.paths import ROOT

PICTURES = (".pgm", ".png", ".jpg", ".jpeg")
THRESHOLDS = (0.26, 0.28, 0.30, 0.32, 0.34, 0.36, 0.38, 0.40, 0.42)
_BORDER = 0.25


@dataclass(frozen=True)
class VariedFaces:
    """Embeddings of one variation of all pictures, with who and which picture each is."""

    embeddings: np.ndarray  # float32 [n, 128]
    owners: np.ndarray  # [n]
    pictures: np.ndarray  # [n]
    missed: int


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
    return cv2.copyMakeBorder(resized, *[border] * 4, borderType=cv2.BORDER_REPLICATE)


def read(folder: Path) -> Iterator[tuple[int, int, np.ndarray]]:
    """(person, picture, uint8 RGB) of every picture."""
    people = sorted(path for path in folder.iterdir() if path.is_dir())
    for person, home in enumerate(people):
        paths = sorted(path for path in home.iterdir() if path.suffix.lower() in PICTURES)
        for picture, path in enumerate(paths):
            yield person, picture, cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)


def embed_all(
    recognizer: Recognizer, folder: Path, vary: Callable[[np.ndarray], np.ndarray]
) -> VariedFaces:
    rows, owners, pictures, missed = [], [], [], 0
    for person, picture, rgb in read(folder):
        seen = recognizer.observe(vary(rgb))
        if not seen:
            missed += 1
            continue
        rows.append(seen[0].embedding)
        owners.append(person)
        pictures.append(picture)
    if len(set(owners)) < 4:
        raise LabError(f"faces of {len(set(owners))} people in {folder}", "it takes four or more")
    return VariedFaces(np.array(rows), np.array(owners), np.array(pictures), missed)


def distances(probes: VariedFaces, enrolled: VariedFaces) -> dict[str, dict[float, float]]:
    """Share of pairs within each distance, for strangers and for other pictures of a person."""
    far = distances_between(probes.embeddings, enrolled.embeddings)
    same = probes.owners[:, None] == enrolled.owners[None]
    other_picture = probes.pictures[:, None] != enrolled.pictures[None]
    return {
        "strangers": {t: float((far[~same] < t).mean()) for t in THRESHOLDS},
        "right": {t: float((far[same & other_picture] < t).mean()) for t in THRESHOLDS},
    }


def open_set(
    probes: VariedFaces,
    enrolled: VariedFaces,
    people: int,
    photos: int,
    draws: int,
    settings: Settings,
) -> dict[str, float]:
    """What one picture leads to with `people` drawn to be enrolled with `photos` each."""
    random = np.random.default_rng(people * 100 + photos)
    tally = {"named_right": 0, "named_wrong": 0, "known": 0, "stranger_named": 0, "strangers": 0}
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
            far = gallery.distances(probes.embeddings[row])
            named = decide_online(gallery.people, far[None], [1.0], settings).person_id
            if owner in chosen:
                tally["known"] += 1
                tally["named_right"] += named == f"{owner:04d}"
                tally["named_wrong"] += named not in (None, f"{owner:04d}")
            else:
                tally["strangers"] += 1
                tally["stranger_named"] += named is not None
    return {
        "named_right": round(tally["named_right"] / max(1, tally["known"]), 4),
        "named_wrong": round(tally["named_wrong"] / max(1, tally["known"]), 4),
        "stranger_named": round(tally["stranger_named"] / max(1, tally["strangers"]), 4),
    }


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="facelab calibrate-distances", description=__doc__)
    parser.add_argument("--faces", type=Path, required=True, help="a folder for each person")
    parser.add_argument("--draws", type=int, default=10, help="random choices of who is enrolled")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    if not options.faces.is_dir():
        raise LabError(f"{options.faces} is not a folder", "give a folder with one folder a person")
    say = Progress(quiet=options.json)
    recognizer = Recognizer.load(
        ROOT / "build/models", Settings(smallest_face_px=36, max_level_px=200_000)
    )
    kinds = variations(np.random.default_rng(1))
    faces = {}
    for kind, vary in kinds.items():
        say(f"{kind}: finding and embedding every face")
        faces[kind] = embed_all(recognizer, options.faces, vary)
    enrolled = faces["as it is"]
    count = len(np.unique(enrolled.owners))
    report = {
        kind: {
            "missed": probes.missed,
            **distances(probes, enrolled),
            "open_set": {
                f"{people} people, {photos} photos": open_set(
                    probes, enrolled, people, photos, options.draws, Settings()
                )
                for people in sorted({3, min(10, count - 2), count * 3 // 4})
                for photos in (1, 3)
            },
        }
        for kind, probes in faces.items()
    }
    if options.json:
        print_json({kind: _with_text_keys(row) for kind, row in report.items()})
    else:
        _print(report)
    return 0


def _with_text_keys(row: dict) -> dict:
    return {
        name: {str(key): value for key, value in part.items()} if isinstance(part, dict) else part
        for name, part in row.items()
    }


def _print(report: dict) -> None:
    print("share of pairs within a distance".ljust(34) + "".join(f"{t:9}" for t in THRESHOLDS))
    for kind, row in report.items():
        for who in ("strangers", "right"):
            shares = "".join(f"{share:9.5f}" for share in row[who].values())
            print(f"{kind}, {who}".ljust(34) + shares)
    print("\none picture, the settings as they are: named right / named wrong / stranger named")
    for kind, row in report.items():
        print(f"{kind} ({row['missed']} faces not found)")
        for setting, shares in row["open_set"].items():
            values = " / ".join(f"{share:.4f}" for share in shares.values())
            print(f"  {setting:24} {values}")


if __name__ == "__main__":
    run_command(main)
