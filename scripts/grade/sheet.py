"""The score sheet: for people, for programs, as a page."""

from __future__ import annotations

import html
import json
from pathlib import Path
from typing import Any

from scripts.grade.course import Course
from scripts.grade.rubric import Sheet
from scripts.grade.seen import Seen, percentile
from scripts.grade.students import Student
from scripts.paths import ROOT

OUT = ROOT / "out" / "grade"
_STYLE = """
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}
table{border-collapse:collapse;margin:1rem 0;width:100%}
td,th{padding:.3rem .8rem;text-align:left;vertical-align:top;border-bottom:1px solid #8884}
td.n{text-align:right;white-space:nowrap}.no{color:#b00020;font-weight:600}
@media(prefers-color-scheme:dark){body{background:#111;color:#eee}.no{color:#ff8a80}}
"""


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


def page(made: dict[str, Any], title: str) -> str:
    """The sheet as one self-contained page."""
    rows = "".join(
        f"<tr><td>{html.escape(row['name'])}</td>"
        f"<td class='n{' no' if row['points'] < row['out_of'] else ''}'>{row['points']:g}"
        f"{_of(row['out_of'])}</td>"
        f"<td>{html.escape(row['evidence'])}</td></tr>"
        for row in made["rubric"]
    )
    functions = "".join(
        f"<tr><td>{html.escape(name)}</td><td>{html.escape(one['state'])}</td>"
        f'<td class="n">{one["invocations"]}</td><td class="n">{one["errors"]}</td>'
        f'<td class="n">{one["duration_ms"]}</td><td class="n">{one["concurrency"]}</td>'
        f'<td class="n">{one["cold_starts"]}</td>'
        f"<td>{html.escape(made['images'][name])}</td></tr>"
        for name, one in made["functions"].items()
    )
    latency = made["latency_ms"]
    head = f"{made['student']}: {made['score']:g} of {made['out_of']:g}"
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{html.escape(head)}</title>'
        f"<style>{_STYLE}</style><h1>{html.escape(head)}</h1><p>{html.escape(title)}</p>"
        f"<table><tr><th>what<th>points<th>what was seen</tr>{rows}</table>"
        f"<p>Latency p50 {_seconds(latency['p50'])}, p95 {_seconds(latency['p95'])} over "
        f"{made['workload']['count']} {html.escape(made['workload']['material'])}, in "
        f"{made['workload']['took_s']:g} s.</p>"
        "<table><tr><th>function<th>state<th>invocations<th>errors<th>ms<th>at a time"
        f"<th>cold starts<th>image</tr>{functions}</table></html>\n"
    )


def _of(points: float) -> str:
    return f" / {points:g}" if points else ""


def write(made: dict[str, Any], title: str, folder: Path = OUT) -> Path:
    """Both files; the path of the JSON."""
    path = folder / made["course"] / f"{made['student']}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(made, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    path.with_suffix(".html").write_text(page(made, title), encoding="utf-8")
    return path
