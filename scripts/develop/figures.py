"""The documents' tables of figures, made from what the commands measured.

`docs/figures.json` holds the measured files as they were written, with machine, date and commit;
the tables between `<!-- figures: NAME -->` and `<!-- end of figures -->` are made from it. So a
figure stands once, and two documents can't disagree.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from scripts.errors import LabError

# What is kept: name, the file that its command writes, and the command.
MEASURED = {
    "e2e_embedded": ("out/e2e.json", "FACELAB_BACKEND=embedded make e2e"),
    "e2e_docker": ("out/e2e.json", "FACELAB_BACKEND=docker make e2e"),
    "overhead_embedded": ("out/bench-overhead.json", "FACELAB_BACKEND=embedded make bench"),
    "overhead_docker": ("out/bench-overhead.json", "FACELAB_BACKEND=docker make bench"),
    "compute": ("out/bench.json", "make bench-handler"),
}
_BLOCK = re.compile(r"(<!-- figures: (\w+) -->\n).*?(<!-- end of figures -->)", re.S)
_SIZES = {"640x480": "640×480", "160x160": "160×160"}

Figures = dict[str, Any]


class NothingMeasured(LabError):
    """A figure's file is not there, or its run was of another kind."""


def take(figures: Figures, name: str, root: Path, when: str, machine: str, commit: str) -> Figures:
    """`figures` with what the last run wrote under `name`.

    Raises
    ------
    NothingMeasured
        When the run's file is missing, or belongs to the other backend.
    """
    file, command = MEASURED[name]
    path = root / file
    if not path.exists():
        raise NothingMeasured(f"there is no {file}", f"`{command}` writes it")
    values = json.loads(path.read_text(encoding="utf-8"))
    backend = name.partition("_")[2]
    if backend and values.get("backend", backend) != backend:
        raise NothingMeasured(f"{file} is of the backend {values['backend']}", f"`{command}`")
    run = {"when": when, "machine": machine, "commit": commit, "command": command}
    return {**figures, name: {**run, "values": values}}


def rendered(text: str, figures: Figures) -> str:
    """A document with its tables made anew."""
    return _BLOCK.sub(lambda found: f"{found[1]}{_TABLES[found[2]](figures)}\n{found[3]}", text)


def _seconds(milliseconds: float) -> str:
    return f"{milliseconds / 1000:.2f} s"


def _machine(figures: Figures, *names: str) -> str:
    runs = [figures[name] for name in names]
    days = sorted({run["when"] for run in runs})
    machines = sorted({run["machine"] for run in runs})
    return f"Measured {' and '.join(days)} on {' and '.join(machines)}."


def _loop(figures: Figures) -> str:
    rows = ["| what | embedded | docker | command |", "| --- | --- | --- | --- |"]

    def row(what: str, name: str, show: Callable[[Any], str]) -> None:
        cells = [show(figures[f"{name}_{place}"]["values"]) for place in ("embedded", "docker")]
        command = figures[f"{name}_embedded"]["command"].partition(" ")[2]
        rows.append(f"| {what} | {cells[0]} | {cells[1]} | `{command}` |")

    row(
        "clips answered, twice",
        "e2e",
        lambda v: f"{v['answered']} of {v['clips']}, {v['duplicates']}",
    )
    row(
        "clips with one person: online, custom model right",
        "e2e",
        lambda v: (
            f"{v['correct']['online']}, {v['correct']['custom']} of {v['single_person_clips']}"
        ),
    )
    row("wrong names", "e2e", lambda v: str(v["wrong_names"]))
    row(
        "clip end to printed result, p50, p95",
        "e2e",
        lambda v: ", ".join(_seconds(v["latency_ms"]["clip_end"][p]) for p in ("p50", "p95")),
    )
    row("slowest cold start", "e2e", lambda v: _seconds(v["cold_start_ms"] or 0))
    row(
        "the emulator's share of a warm invocation, p50",
        "overhead",
        lambda v: f"{v['overhead_ms']['p50']:.0f} ms",
    )
    names = ("e2e_embedded", "e2e_docker", "overhead_embedded", "overhead_docker")
    return "\n".join([*rows, "", _machine(figures, *names)])


def _compute(figures: Figures) -> str:
    values = figures["compute"]["values"]
    rows = ["| one clear face | report style | facelab | ratio |", "| --- | --- | --- | --- |"]
    for size, shown in _SIZES.items():
        theirs, ours = (values[name][size] for name in ("report_style", "facelab"))
        stages = ", ".join(f"{stage} {ms:.0f}" for stage, ms in ours["stages_ms"].items())
        rows.append(
            f"| {shown} | {theirs['total_ms']:.0f} ms | {ours['total_ms']:.0f} ms ({stages}) "
            f"| {values['ratio'][size]} |"
        )
    cpu = {name: values[name]["640x480"]["cpu_ms"] for name in ("report_style", "facelab")}
    nobody = {kind: row["total_ms"] for kind, row in values["no_face"]["facelab"].items()}
    init = {name: _seconds(ms) for name, ms in values["init_ms"].items()}
    said = (
        f"CPU time of the 640×480 clip, all threads: {cpu['facelab']:.0f} ms against "
        f"{cpu['report_style']:.0f}. Nobody there: a plain wall "
        f"{nobody['640x480/plain_wall']:.0f} ms, a cluttered room "
        f"{nobody['640x480/empty_room']:.0f} ms. Ready in a fresh process: "
        f"{init['facelab']} against {init['report_style']}."
    )
    source = f"{_machine(figures, 'compute')} `{figures['compute']['command']}` measures yours."
    return "\n".join([*rows, "", said, "", source])


_TABLES: dict[str, Callable[[Figures], str]] = {"loop": _loop, "compute": _compute}
