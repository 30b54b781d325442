"""Do the folders hold what their names say? Looked at before anything is trained on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from recognition.agreement import look_alikes, look_through
from recognition.gallery import Gallery
from training.dataset import DatasetError
from training.faces import FaceSample

_NAMED_AT_MOST = 8


class ContradictoryData(DatasetError):
    """Two people in one folder, one person in two, or somebody of the folders among the strangers:
    a model would learn the mix-up.

    Sort the pictures it names, or say `--trust-data` when the folders are right (twins).
    """


@dataclass(frozen=True)
class Findings:
    """`contradictions` make training useless, `doubts` worse. One line each, with the files."""

    contradictions: tuple[str, ...]
    doubts: tuple[str, ...]


def check(people: dict[str, list[FaceSample]], strangers: Sequence[FaceSample] = ()) -> Findings:
    """What the faces found in each person's folder say of the folder, and those of strangers of
    whether they are."""
    contradictions, doubts = [], []
    gallery = Gallery.of(
        [person for person, samples in people.items() for _ in samples],
        np.array([s.embedding for own in people.values() for s in own]).reshape(-1, 128),
    )
    told: set[frozenset[str]] = set()
    for person, samples in people.items():
        if not samples:
            continue
        embeddings = np.array([sample.embedding for sample in samples])
        found = look_through(embeddings)
        if found.is_mixed:
            others = [_files(samples, group) for group in found.groups[1:]]
            contradictions.append(
                f"{person}: more than one person in the folder; beside {len(found.groups[0])} "
                f"pictures alike there are {'; and '.join(others)}"
            )
        if found.odd:
            doubts.append(f"{person}: like none of the others: {_files(samples, found.odd)}")
        poor = [i for i, s in enumerate(samples) if s.observation.quality.shortcoming]
        if poor:
            doubts.append(f"{person}: small, dark or blurred: {_files(samples, poor)}")
        for other in look_alikes(embeddings, gallery, but=[person]):
            pair = frozenset((person, other.person_id))
            if pair in told:
                continue
            told.add(pair)
            files = _nearest_files(samples, people[other.person_id])
            line = f"{person} and {other.person_id} look alike ({other.distance:.2f}): {files}"
            if other.is_same_person:
                contradictions.append(f"{line}; is it one person under two names?")
            else:
                doubts.append(f"{line}; they will be mixed up now and then")
    contradictions += _known_strangers(gallery, strangers)
    return Findings(tuple(contradictions), tuple(doubts))


def _known_strangers(gallery: Gallery, strangers: Sequence[FaceSample]) -> list[str]:
    """A line for each person whom pictures of strangers show."""
    shown: dict[str, list[int]] = {}
    for row, sample in enumerate(strangers):
        for found in look_alikes(sample.embedding[None], gallery)[:1]:
            if found.is_same_person:
                shown.setdefault(found.person_id, []).append(row)
    return [
        f"{person} is among the strangers: {_files(strangers, rows)}"
        for person, rows in sorted(shown.items())
    ]


def refuse_contradictions(findings: Findings) -> None:
    """Raises
    ------
    ContradictoryData
    """
    if findings.contradictions:
        raise ContradictoryData(
            "the folders contradict themselves:\n  "
            + "\n  ".join(findings.contradictions)
            + "\nsort them, or say --trust-data if they are right"
        )


def _files(samples: Sequence[FaceSample], rows: Sequence[int]) -> str:
    names = [_name(samples[row].picture.path) for row in rows]
    more = f" and {len(names) - _NAMED_AT_MOST} more" if len(names) > _NAMED_AT_MOST else ""
    return ", ".join(names[:_NAMED_AT_MOST]) + more


def _nearest_files(own: list[FaceSample], theirs: list[FaceSample]) -> str:
    gallery = Gallery.of(
        [f"{index:06d}" for index in range(len(theirs))], np.array([s.embedding for s in theirs])
    )
    far = np.array([gallery.nearest_distances(sample.embedding) for sample in own])
    row, column = np.unravel_index(int(far.argmin()), far.shape)
    return f"{_name(own[row].picture.path)}, {_name(theirs[column].picture.path)}"


def _name(path: Path) -> str:
    return "/".join(path.parts[-2:])
