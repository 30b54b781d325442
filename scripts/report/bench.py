"""What the benches measured, as one page: each has written its file, in this run or before."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from scripts.report.page import Report, write_page

Table = tuple[str, Sequence[str], Sequence[Sequence[str]]]
PAGE = "report.html"
FILES = (
    "loop.json", "bench-overhead.json", "bench-queue.json", "lab.json", "bench-reload.json",
    "bench.json",
)  # fmt: skip


def write_bench_page(out: Path) -> Path:
    """The page of the folder that the benches write to."""
    path = out / PAGE
    write_page(bench_report(out), path)
    return path


def bench_report(out: Path) -> Report:
    """What is there of the parts of `make bench`, and of `make bench-handler`."""
    loop, overhead = _read(out / "loop.json"), _read(out / "bench-overhead.json")
    lab, reloading = _read(out / "lab.json"), _read(out / "bench-reload.json")
    queue, handler = _read(out / "bench-queue.json"), _read(out / "bench.json")
    figures: list[tuple[str, str]] = []
    tables: list[Table] = []
    if loop:
        figures += [
            ("clip end to screen, p50", _ms(loop["facelab"]["clip_end_ms"]["p50"])),
            ("the report's design", f"{loop['ratio_p50']} times as long"),
            ("cold start", _ms(loop["cold_ms"])),
        ]
        tables += [_designs(loop), _parts(loop)]
    if overhead:
        figures.append(("the emulator's share, p50", _ms(overhead["overhead_ms"]["p50"])))
        rows = {name: one for name, one in overhead.items() if isinstance(one, Mapping)}
        tables.append(_percentiles("A warm invocation, ms", rows))
    if queue:
        figures.append(("a queue's message, p50", _ms(queue["send_to_received_ms"]["p50"])))
        rows = {name: one for name, one in queue.items() if isinstance(one, Mapping)}
        tables.append(_percentiles("From a queue through its function, ms", rows))
    if lab:
        commands = lab["lab_ms"].items()
        tables.append(
            (
                "The lab's commands",
                ("command", "s"),
                [(_words(name), f"{ms / 1000:.2f}") for name, ms in commands],
            )
        )
    if reloading:
        figures.append(("save to new answer, p50", _ms(reloading["save_to_answer_ms"]["p50"])))
        rows = {name: one for name, one in reloading.items() if isinstance(one, Mapping)}
        tables.append(_percentiles("From a saved file to its answer, ms", rows))
    if handler:
        figures += [
            (f"one face, {size}", f"{ratio} times") for size, ratio in handler["ratio"].items()
        ]
        tables.append(_pipelines(handler))
    written = [
        (name, datetime.fromtimestamp((out / name).stat().st_mtime, UTC).strftime("%Y-%m-%d %H:%M"))
        for name in FILES
        if (out / name).exists()
    ]
    tables.append(("When it was measured", ("file", "UTC"), written))
    stages = [
        (name, ms) for name, ms in (loop or {}).get("facelab", {}).get("stages_ms", {}).items()
        if name != "sum"
    ]  # fmt: skip
    return Report(
        title="Benches", ok=None, figures=figures, tables=tables, stages=stages,
        stages_title="Where a clip's time goes",
    )  # fmt: skip


def _designs(loop: Mapping[str, Any]) -> Table:
    rows = {name: loop[name]["clip_end_ms"] for name in ("facelab", "report_style")}
    return _percentiles("The whole loop, ms from a clip's end to its printed line", rows)


def _parts(loop: Mapping[str, Any]) -> Table:
    rows = [
        (
            _words(design),
            title,
            ", ".join(f"{_words(name)} {ms:g}" for name, ms in loop[design][what].items()),
        )
        for design in ("facelab", "report_style")
        for what, title in (("stages_ms", "parts"), ("cpu_ms_per_clip", "CPU a clip"))
    ]
    return ("What it is made of, ms", ("design", "of", ""), rows)


def _pipelines(handler: Mapping[str, Any]) -> Table:
    rows = [
        (size, _words(design), f"{one['total_ms']:.0f}", f"{one['cpu_ms']:.0f}", one["right"])
        for kind in (handler, handler.get("no_face", {}))
        for design in ("report_style", "facelab")
        for size, one in kind.get(design, {}).items()
    ]
    title = "A clip through the report's pipeline and through ours, median"
    return (title, ("clip", "pipeline", "ms", "CPU, ms", "right"), sorted(rows))


def _percentiles(title: str, rows: Mapping[str, Mapping[str, Any]]) -> Table:
    names = list(dict.fromkeys(name for one in rows.values() for name in one))
    return (
        title,
        ("", *names),
        [(_words(row), *(str(one.get(name, "")) for name in names)) for row, one in rows.items()],
    )


def _words(name: str) -> str:
    return name.replace("_", " ")


def _ms(value: float) -> str:
    return f"{value:.0f} ms"


def _read(path: Path) -> dict[str, Any] | None:
    """A bench's file; None where it never ran, or wrote something else."""
    try:
        facts = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return facts if isinstance(facts, dict) else None
