"""A score sheet as a page: what earned points, what was seen, every piece of the workload."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scripts.report.correctness import NOTHING_CAME, RIGHT, UNKNOWN, WRONG
from scripts.report.page import ClipRow, Point, Report


def grade_report(made: dict[str, Any], title: str, thumbnails: Mapping[str, bytes]) -> Report:
    """`made` is the sheet as programs read it; `thumbnails` show the pieces, by their names."""
    latency = made["latency_ms"]
    rubric = made["rubric"]
    return Report(
        title=f"{made['student']}: {made['score']:g} of {made['out_of']:g}, {title}",
        ok=made["score"] >= made["out_of"],
        problems=[
            f"{row['name']}: {row['evidence']}" for row in rubric if row["points"] < row["out_of"]
        ],
        figures=[
            ("points", f"{made['score']:g} of {made['out_of']:g}"),
            ("p50", _shown(latency["p50"])),
            ("p95", _shown(latency["p95"])),
            ("at a time", str(made["concurrency"])),
            ("cold starts", str(made["cold_starts"])),
            ("pieces", f"{made['workload']['count']} in {made['workload']['took_s']:g} s"),
        ],
        points=[
            Point(place, one["latency_s"] * 1000, _correctness(one),
                  f"{one['name']}: {_said(one)}, {one['latency_s']:.2f} s")
            for place, one in enumerate(made["outcomes"])
            if one["latency_s"] is not None
        ],
        tables=[
            (
                "Points",
                ("what", "points", "what was seen"),
                [
                    (row["name"], _points(row), row["evidence"])
                    for row in rubric
                ],
            ),
            (
                "Functions",
                ("function", "state", "invocations", "errors", "ms", "at a time", "cold starts",
                 "image"),
                [
                    (name, one["state"],
                     *(str(one[what]) for what in (
                         "invocations", "errors", "duration_ms", "concurrency", "cold_starts")),
                     made["images"][name] or "no image")
                    for name, one in made["functions"].items()
                ],
            ),
        ],
        clip="piece",
        said_by=("what was said",),
        clips=[
            ClipRow(
                name=one["name"],
                expected=one["person"],
                said=[_said(one)],
                correctness=_correctness(one),
                latency_ms=None if one["latency_s"] is None else one["latency_s"] * 1000,
                jpeg=thumbnails.get(one["name"], b""),
            )
            for one in made["outcomes"]
        ],
    )  # fmt: skip


def _points(row: dict[str, Any]) -> str:
    """A line that can only cost something is worth nothing, and says so only when it did."""
    if not row["out_of"]:
        return f"{row['points']:g}" if row["points"] else "none lost"
    return f"{row['points']:g} of {row['out_of']:g}"


def _correctness(outcome: dict[str, Any]) -> str:
    if outcome["right"]:
        return RIGHT
    return UNKNOWN if outcome["said"] == "" else WRONG


def _said(outcome: dict[str, Any]) -> str:
    if outcome["trouble"]:
        return str(outcome["trouble"])
    if outcome["said"] is None:  # some courses ask for a video's pictures, and for no name
        made = outcome["pictures"]
        return f"{outcome['pictures_right']} of {made} pictures show it" if made else NOTHING_CAME
    return outcome["said"] or "no name"


def _shown(value_ms: float | None) -> str:
    return "–" if value_ms is None else f"{value_ms / 1000:.2f} s"
