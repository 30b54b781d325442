"""How often strangers are named where everybody is of one group, measured on a folder of faces.

The folder has one for each person, the CSV the column person and others with a label for each. All
who are enrolled, by one picture each, and all strangers are of one label: the worst that can come,
for people of one group look more alike than people drawn from everybody do.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from contract.people import person_id_of
from recognition import Recognizer
from scripts.bench.calibrate_distances import (
    RULES,
    SEARCH,
    VariedFaces,
    embed_all,
    open_set,
    outcomes,
    people_of,
    variations,
)
from scripts.console import Progress
from scripts.errors import LabError
from scripts.paths import ROOT
from training.evaluation.open_set import NO_LABEL, read_labels
from training.tree import ToolError

GROUP_SIZES = (1, 3, 10, 30)


def by_group(
    faces: VariedFaces, people: list[str], labels: dict[str, dict[str, str]], draws: int
) -> dict[str, Any]:
    """For each label of each column: how many people, the share of pairs of them within the accept
    distance of one, and by how many of them are enrolled the share of strangers who are named.
    `people` are the ids of the owners' numbers."""
    rule = RULES["unit length"]
    far = rule.between(faces.embeddings, faces.embeddings)
    report: dict[str, Any] = {}
    for column, of in labels.items():
        own_labels = np.array([of.get(people[owner], NO_LABEL) for owner in faces.owners])
        for label in sorted(set(own_labels)):
            rows = np.flatnonzero(own_labels == label)
            own = faces.of(rows)
            pairs = far[np.ix_(rows, rows)][own.owners[:, None] < own.owners[None]]
            if not len(pairs):
                continue
            count = len(np.unique(own.owners))
            named = {}
            for size in (one for one in GROUP_SIZES if one < count):
                came = outcomes(own, own, size, 1, draws * max(1, 30 // size), rule)
                named[str(size)] = open_set(list(came))["stranger_named"]
            report.setdefault(column, {})[label] = {
                "people": count,
                "pairs": len(pairs),
                "within_accept": round(float((pairs <= rule.settings.accept_distance).mean()), 5),
                "strangers_named": named,
            }
    return report


def measure(folder: Path, groups: Path, draws: int, say: Progress) -> dict[str, Any]:
    """All labels of the CSV `groups`, of the people in `folder`.

    Raises
    ------
    LabError
        When `folder` is none, or `groups` can't be read.
    """
    if not folder.is_dir():
        raise LabError(f"{folder} is not a folder", "give a folder with one folder a person")
    try:
        labels = read_labels(groups)
    except ToolError as error:
        raise LabError(str(error), "its first column is person, a folder's name") from error
    say("finding and embedding every face")
    as_it_is = variations(np.random.default_rng(1))["as it is"]
    with say.usual("finding", f"calibrate-groups {folder}"):
        faces = embed_all(Recognizer.load(ROOT / "build/models", SEARCH), folder, as_it_is)
    people = [person_id_of(home.name) for home in people_of(folder)]
    return by_group(faces, people, labels, draws)


def in_words(facts: dict[str, Any]) -> str:
    """What was found, for a person."""
    lines = ["strangers named, % by people enrolled, where all are of one group"]
    for column, labels in facts.items():
        for label, found in labels.items():
            shares = ", ".join(f"{n}: {100 * v:.2f}" for n, v in found["strangers_named"].items())
            lines.append(
                f"{column} {label}".ljust(28)
                + f"{found['people']:5} people, {100 * found['within_accept']:.2f} % of "
                f"{found['pairs']} pairs within the accept distance of one; {shares}"
            )
    return "\n".join(lines)
