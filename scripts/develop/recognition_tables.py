"""The documents' tables of who is found and who is named."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from scripts.bench.detection_report import as_table
from scripts.develop.figures import SEEDS, VARIATIONS, Figures, values

_SHOWN = {"small": "small (face of 75 px)", "tiny": "tiny (44 px)", "tilted": "tilted up to 25°"}
# Who is enrolled, as `facelab calibrate-distances` names it: (people, photos each).
_ENROLLED = ((3, 3), (10, 3), (30, 1))


def _open_set(figures: Figures) -> str:
    runs = [values(figures, f"open_set_{seed}") for seed in SEEDS]
    models = {"online": "online", "custom": "custom", "final": "final"}
    models["report_style"] = "the report's rule"
    rows = ["| | named right | named wrong | strangers named |", "| --- " * 4 + "|"]
    for model, shown in models.items():
        cells = []
        for kept in ("named_right", "named_wrong", "strangers_named"):
            shares = [run[f"{model} {kept}"] for run in runs]
            each = " / ".join(f"{100 * one['value']:.1f}" for one in shares)
            count, of = (sum(one[key] for one in shares) for key in ("count", "n"))
            cells.append(f"{each} ({count} of {of})")
        rows.append(f"| {shown} | {' | '.join(cells)} |")
    return "\n".join(rows)


def _open_set_one_photo(figures: Figures) -> str:
    runs = [values(figures, f"open_set_one_photo_{seed}") for seed in SEEDS]

    def told(kept: str) -> tuple[str, str]:
        counts, of = ([run[kept][key] for run in runs] for key in ("count", "n"))
        return " / ".join(map(str, counts)), f"{sum(counts)} of {sum(of)}"

    right, wrong, strangers = map(told, ("named_right", "named_wrong", "strangers_named"))
    return (
        f"{right[0]} right ({right[1]}), {wrong[0]} wrong,\n"
        f"{strangers[0]} strangers named ({strangers[1]})"
    )


def _sharpest(figures: Figures) -> str:
    ways = ("even", "sharpest", "one say")
    rows = [
        "| clips | evenly spread | the sharpest | the sharpest, one say each |",
        "| --- | --- | --- | --- |",
    ]
    for kind, of in values(figures, "sharpest").items():
        cells = (
            f"{of[way]['right']} / {of[way]['missed']} / {of[way]['wrong']}, "
            f"{of[way]['strangers_named']} of {of[way]['strangers']}; {of[way]['cpu_ms']:.0f} ms"
            for way in ways
        )
        rows.append(f"| {kind} | {' | '.join(cells)} |")
    return "\n".join(rows)


def _detection_photo(figures: Figures) -> str:
    run = values(figures, "detection")
    return f"{run['found']['photo']} of the {run['faces']}"


def _detection_sizes(figures: Figures) -> str:
    run = values(figures, "detection_sizes")
    alarms = run["false_alarms"]["clip"] or "no"
    return f"{run['found']['clip']} of {run['faces']} found, {alarms} false alarms"


def _detection_empty(figures: Figures) -> str:
    run = values(figures, "detection_empty")
    seen = (f"{len(numbers)} by the {name}'s" for name, numbers in run["false_alarms"].items())
    return f"of {run['pictures']} somebody is seen in {' and '.join(seen)} way"


def _distances(figures: Figures) -> str:
    titles = (
        f"{people} people, {photos} photo{'s' * (photos > 1)}" for people, photos in _ENROLLED
    )
    rows = [f"| pictures | {' | '.join(titles)} |", "| --- " * (len(_ENROLLED) + 1) + "|"]
    run = values(figures, "distances")
    for kind in VARIATIONS:
        cells = (_right_and_strangers(run[kind], people, photos) for people, photos in _ENROLLED)
        rows.append(f"| {_SHOWN.get(kind, kind)} | {' | '.join(cells)} |")
    return "\n".join(rows)


def _distances_raw(figures: Figures) -> str:
    rows = ["| people | one photo | three photos |", "| --- | --- | --- |"]
    of = values(figures, "distances")["raw"]
    for people in (3, 10, 30):
        cells = (_right_and_strangers(of, people, photos) for photos in (1, 3))
        rows.append(f"| {people} | {' | '.join(cells)} |")
    return "\n".join(rows)


def _right_and_strangers(of: dict[str, Any], people: int, photos: int) -> str:
    shares = of[f"{people} people, {photos} photos"]
    wrong = f", {100 * shares['named_wrong']:.2f} wrong" if shares["named_wrong"] else ""
    return f"{100 * shares['named_right']:.1f} / {100 * shares['stranger_named']:.2f}{wrong}"


RECOGNITION_TABLES: dict[str, Callable[[Figures], str]] = {
    "detection": lambda figures: as_table(values(figures, "detection")),
    "detection_photo": _detection_photo,
    "detection_sizes": _detection_sizes,
    "detection_empty": _detection_empty,
    "distances": _distances,
    "distances_raw": _distances_raw,
    "open_set": _open_set,
    "open_set_one_photo": _open_set_one_photo,
    "sharpest": _sharpest,
}
