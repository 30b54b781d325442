"""The one template of all reports: a file that needs nothing else, readable light and dark."""

from __future__ import annotations

import base64
import os
import platform
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, select_autoescape

from contract.printable import printable
from scripts.machine import cpu_model
from scripts.percentiles import percentiles

BINS = 30
LONG_WORD = 40
CORRECTNESS = ("right", "unknown", "wrong")
_ORDER = {"wrong": 0, "unknown": 1}
_LIBRARIES = ("boto3", "numpy", "onnxruntime", "opencv-python-headless", "av")


@dataclass(frozen=True)
class Point:
    """One clip on the time line: when (s), how long (ms), and how it ended."""

    at_s: float
    latency_ms: float
    status: str
    label: str


@dataclass(frozen=True)
class ClipRow:
    """A row of the table of clips: who was there, and what each of the report's `said_by` said.
    `correctness` is right, wrong, unknown, or nothing where nobody can tell; `jpeg` may be empty.
    Without a latency nothing came."""

    name: str
    expected: str
    said: Sequence[str]
    correctness: str
    latency_ms: float | None
    is_cold: bool = False
    jpeg: bytes = b""

    @property
    def picture(self) -> str:
        return f"data:image/jpeg;base64,{base64.b64encode(self.jpeg).decode()}" if self.jpeg else ""


def urgency(row: ClipRow) -> int:
    """To sort by: the wrong ones first, then the unknown ones."""
    return _ORDER.get(row.correctness, len(_ORDER))


@dataclass(frozen=True)
class Report:
    """What a page shows. `figures` are (what, value) for its head, `problems` what went wrong;
    `stages` are median ms by stage in their order; `cold` are cold starts (clip, init ms).
    `clips` are some of `clips_in_all`, or all of them; a `clip` may be called something else.
    `ok` is None where nothing can fail. `drawn` is HTML that our own code made, with its `style`;
    whatever strangers wrote must be escaped in it."""

    title: str
    ok: bool | None
    figures: Sequence[tuple[str, str]]
    problems: Sequence[str] = ()
    points: Sequence[Point] = ()
    stages: Sequence[tuple[str, float]] = ()
    cold: Sequence[tuple[str, float]] = ()
    clips: Sequence[ClipRow] = ()
    clips_in_all: int = 0
    clip: str = "clip"
    said_by: Sequence[str] = ("custom model", "online model")
    tables: Sequence[tuple[str, Sequence[str], Sequence[Sequence[str]]]] = field(default=())
    drawn: str = ""
    style: str = ""
    stages_title: str = "Where the function's time goes"


def write_page(report: Report, *paths: Path) -> None:
    """Write it, for its owner alone: it shows faces and names."""
    from device.private_files import make_private_folder, write_private

    text = page(report).encode()
    for path in paths:
        if not path.parent.is_dir():
            make_private_folder(path.parent)
        write_private(path, text)


def page(report: Report) -> str:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=select_autoescape(default=True)
    )
    environment.filters["shown"] = lambda text: printable(str(text))
    environment.filters["is_long"] = is_long
    latencies = [point.latency_ms for point in report.points]
    return environment.get_template("page.html").render(
        report=report,
        clips=sorted(report.clips, key=urgency),
        latency=percentiles(latencies),
        bins=_bins(latencies),
        line=_line(report.points),
        statuses=[
            one for one in CORRECTNESS if any(point.status == one for point in report.points)
        ],
        stages=_stages(report.stages),
        machine=_machine(),
        written=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    )


def is_long(text: object) -> bool:
    """Whether a word of it is wider than a column ought to be: a digest, an address."""
    return any(len(word) > LONG_WORD for word in str(text).split())


def _bins(values: list[float]) -> list[dict[str, Any]]:
    """A histogram up to the 99th percentile; what is above it is in the last bin."""
    if not values:
        return []
    top = max(1.0, sorted(values)[max(0, -(-99 * len(values) // 100) - 1)])
    counts = [0] * BINS
    for value in values:
        counts[max(0, min(BINS - 1, int(value / top * BINS)))] += 1
    most = max(counts)
    return [
        {"from_ms": round(top / BINS * number), "to_ms": round(top / BINS * (number + 1)),
         "count": count, "share": round(100 * count / most, 2)}
        for number, count in enumerate(counts)
    ]  # fmt: skip


def _line(points: Sequence[Point]) -> list[dict[str, Any]]:
    """Places in a picture of 1000 by 200; the fewer, the wider."""
    if not points:
        return []
    width = max(3.0, min(12.0, round(600 / len(points), 1)))
    first, last = min(one.at_s for one in points), max(one.at_s for one in points)
    scale = (1000 - width) / max(last - first, 1e-9)
    most = max(one.latency_ms for one in points) or 1
    return [
        {"width": width, "x": round(scale * (one.at_s - first), 1),
         "y": round(200 - 190 * one.latency_ms / most, 1), "status": one.status,
         "label": one.label}
        for one in points
    ]  # fmt: skip


def _stages(stages: Sequence[tuple[str, float]]) -> list[dict[str, Any]]:
    total = sum(ms for _, ms in stages) or 1
    rows, at = [], 0.0
    for name, ms in stages:
        rows.append({"name": name, "ms": ms, "x": 1000 * at / total, "width": 1000 * ms / total})
        at += ms
    return rows


def _machine() -> list[tuple[str, str]]:
    versions = ", ".join(
        f"{name} {metadata.version(name)}" for name in _LIBRARIES if _is_installed(name)
    )
    return [
        ("processor", f"{cpu_model()}, {os.cpu_count()} cores"),
        ("system", platform.platform()),
        ("Python", sys.version.split()[0]),
        ("libraries", versions),
    ]


def _is_installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True
