"""The score sheet: for people, for programs, as a page."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scripts.grade.course import Course
from scripts.grade.rubric import Sheet
from scripts.grade.seen import Seen, percentile
from scripts.grade.students import Student
from scripts.paths import ROOT
from scripts.report.grade import grade_report
from scripts.report.page import write_page

OUT = ROOT / "out" / "grade"


def as_json(course: Course, student: Student, sheet: Sheet, seen: Seen) -> dict[str, Any]:
    """What programs read."""
    latencies = [value * 1000 for value in seen.latencies_s]
    functions = seen.functions.values()
    return {
        "course": course.name,
        "student": student.id,
        "account": student.account,
        "solution": "their own" if student.folder else "the course's",
        "score": sheet.score,
        "out_of": sheet.out_of,
        "rubric": [vars(line) for line in sheet.lines],
        "workload": {
            "material": course.workload.material,
            "count": len(seen.outcomes),
            "seed": course.workload.seed,
            "took_s": round(seen.took_s, 1),
        },
        "latency_ms": {"p50": _ms(latencies, 0.5), "p95": _ms(latencies, 0.95)},
        "concurrency": max((one.concurrency for one in functions), default=0),
        "cold_starts": sum(one.cold_starts for one in functions),
        "image": _images({one.name: one.image for one in functions}),
        "images": {one.name: one.image for one in functions},
        "functions": {
            one.name: {
                "state": one.state,
                "triggers": list(one.triggers),
                "invocations": one.invocations,
                "errors": one.errors,
                "duration_ms": None if one.duration_ms is None else round(one.duration_ms, 1),
                "concurrency": one.concurrency,
                "cold_starts": one.cold_starts,
            }
            for one in functions
        },
        "outcomes": [vars(one) for one in seen.outcomes],
    }


def _images(images: dict[str, str]) -> str:
    """In one line: the image of the only function, or each function's with its name."""
    if len(images) == 1:
        return next(iter(images.values()))
    return " ".join(f"{name}={image}" for name, image in images.items())


def _ms(latencies: list[float], share: float) -> float | None:
    found = percentile(latencies, share)
    return None if found is None else round(found, 1)


def text(made: dict[str, Any]) -> str:
    """The sheet for a terminal."""
    lines = [f"{made['course']}, {made['student']} ({made['solution']} solution)", ""]
    for row in made["rubric"]:
        points = f"{row['points']:g}" + (f"/{row['out_of']:g}" if row["out_of"] else "")
        lines.append(f"{points:>8}  {row['name']}")
        lines.append(f"{'':10}{row['evidence']}")
    latency = made["latency_ms"]
    lines += [
        "",
        f"{made['score']:g} of {made['out_of']:g} points",
        f"latency p50 {_seconds(latency['p50'])}, p95 {_seconds(latency['p95'])}; "
        f"{made['concurrency']} at a time, {made['cold_starts']} cold starts",
    ]
    lines += [f"{name}: {image or 'no image'}" for name, image in made["images"].items()]
    return "\n".join(lines)


def _seconds(value_ms: float | None) -> str:
    return "–" if value_ms is None else f"{value_ms / 1000:.2f} s"


def write(
    made: dict[str, Any], title: str, thumbnails: Mapping[str, bytes], folder: Path = OUT
) -> Path:
    """The sheet as JSON and as a page, which is the newest report too; the path of the JSON.
    `thumbnails` show the pieces that were played, by their names."""
    path = folder / made["course"] / f"{made['student']}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(made, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    newest = folder.parent / "report.html"
    write_page(grade_report(made, title, thumbnails), path.with_suffix(".html"), newest)
    return path
