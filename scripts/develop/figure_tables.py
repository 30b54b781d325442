"""What stands between `<!-- figures: NAME -->` and `<!-- end of figures -->` in a document."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from scripts.develop.figures import (
    BACKENDS,
    CONFORMANCE,
    LAB_COMMANDS,
    Figures,
    values,
)
from scripts.develop.goal_table import goals, throughput
from scripts.develop.recognition_tables import RECOGNITION_TABLES
from scripts.develop.scale_tables import SCALE_TABLES

BLOCK = re.compile(r"(<!-- figures: (\w+) -->)(\n?).*?(<!-- end of figures -->)", re.S)


def rendered(text: str, figures: Figures) -> str:
    """A document with all that is made of figures made anew."""
    return BLOCK.sub(
        lambda found: f"{found[1]}{found[3]}{TABLES[found[2]](figures)}{found[3]}{found[4]}", text
    )


def seconds(milliseconds: float) -> str:
    """Hundredths below a second, tenths above."""
    return f"{milliseconds / 1000:.{2 if milliseconds < 1000 else 1}f} s"


def _in_short(figures: Figures) -> str:
    rows = ["| what | figure | measured |", "| --- | --- | --- |"]
    for what, says, runs in _ROWS:
        told = [figures[run] for run in runs if run in figures]
        if len(told) == len(runs):
            days = ", ".join(dict.fromkeys(one["when"] for one in told))
            commands = dict.fromkeys(one["command"].split(" ", 1)[-1] for one in told)
            if len(runs) == 1:
                commands = dict.fromkeys(one["command"] for one in told)
            sources = ", ".join(f"`{command}`" for command in commands)
            shown = says(*(one["values"] for one in told))
            rows.append(f"| {what} | {shown} | {days}: {sources} |")
    return "\n".join(rows)


def _right(embedded: dict[str, Any], docker: dict[str, Any]) -> str:
    def of(run: dict[str, Any]) -> str:
        once = "once" if not run["duplicates"] else f"({run['duplicates']} twice)"
        wrong = "no wrong name" if not run["wrong_names"] else f"{run['wrong_names']} wrong names"
        right = f"right on {run['online']} (online) and {run['custom']} (custom model)"
        return (
            f"{run['answered']} of {run['clips']} clips answered {once}; {right} of "
            f"{run['single']} clips with one person; {wrong}"
        )

    same = of(embedded) == of(docker)
    return of(embedded) if same else f"embedded: {of(embedded)}; docker: {of(docker)}"


def _latency(run: dict[str, Any]) -> str:
    return ", ".join(
        f"{name} {seconds(run[figure])}"
        for name, figure in (("p50", "p50_ms"), ("p95", "p95_ms"), ("slowest", "max_ms"))
    )


def _both(embedded: dict[str, Any], docker: dict[str, Any]) -> str:
    def of(run: dict[str, Any]) -> str:
        is_short = run["p95_ms"] < 100
        shown = (f"{run[one]:.0f} ms" if is_short else seconds(run[one]) for one in _P50_P95)
        return ", ".join(f"{one[:3]} {text}" for one, text in zip(_P50_P95, shown, strict=True))

    return f"embedded {of(embedded)}; docker {of(docker)}"


_P50_P95 = ("p50_ms", "p95_ms")
_ROWS: tuple[tuple[str, Callable[..., str], tuple[str, ...]], ...] = (
    ("the fixture, both backends", _right, ("e2e_embedded", "e2e_docker")),
    ("clip end to printed result, function warm, embedded", _latency, ("e2e_embedded",)),
    ("the same, docker", _latency, ("e2e_docker",)),
    ("a cold start, embedded", lambda run: seconds(run["cold_ms"]), ("loop",)),
    (
        "the most clips a second with p95 within a second",
        lambda run: f"{run['clips_per_s']:g}",
        ("throughput",),
    ),
    (
        "a message from its queue through its function",
        _both,
        ("queue_embedded", "queue_docker"),
    ),
    ("from a saved file to an answer of the new code", _both, ("reload_embedded", "reload_docker")),
    (
        "what the emulator adds to a warm invocation, median",
        lambda embedded, docker: f"{embedded['ms']:.0f} ms embedded, {docker['ms']:.0f} ms docker",
        ("overhead_embedded", "overhead_docker"),
    ),
    (
        "compute, one clear face, against the report's pipeline",
        lambda run: (
            f"640×480: {run['large_ms']:.0f} ms, {run['large_ratio']:.1f} times faster; "
            f"160×160: {run['small_ms']:.0f} ms, {run['small_ratio']:.1f} times"
        ),
        ("compute",),
    ),
    (
        "function init, against the report's",
        lambda run: f"{run['init_ms'] / 1000:.1f} s, {run['report_init_ms'] / 1000:.1f} s",
        ("compute",),
    ),
)


def _loop(figures: Figures) -> str:
    run, origin = values(figures, "loop"), figures["loop"]
    parts = {name.replace("_", " "): ms for name, ms in run["stages_ms"].items() if name != "sum"}
    stages = ", ".join(f"{name} {ms:.0f}" for name, ms in parts.items())
    cpu = ", ".join(f"{name} {ms:.0f}" for name, ms in run["cpu_ms"].items())
    return (
        f"Measured {origin['when']} on {origin['machine']}: ours p50 {run['p50_ms']:.0f}, p95 "
        f"{run['p95_ms']:.0f}, p99\n{run['p99_ms']:.0f} ms; the report's design p50 "
        f"{run['report_p50_ms']:.0f} ms, {run['ratio']:g} times as long; a cold start "
        f"{seconds(run['cold_ms'])}.\nOurs, in ms: {stages}:\n"
        f"{run['stages_ms']['sum']:.0f} in all. CPU a clip, in ms: {cpu}."
    )


def _state(figures: Figures) -> str:
    run = values(figures, "state")
    return "\n".join(
        (
            "| | p50 | p95 |",
            "| --- | --- | --- |",
            f"| `FACELAB_STATE=memory` | {run['memory_p50_ms']} | {run['memory_p95_ms']} |",
            f"| on disk | {run['disk_p50_ms']} | {run['disk_p95_ms']} |",
            f"| cost of a clip, median of the pairs | {run['cost_ms']:+} | |",
        )
    )


def _lab(figures: Figures) -> str:
    runs = [values(figures, f"lab_{backend}") for backend in BACKENDS]
    clips = runs[0]["clips"]
    names = (
        "`make up`, nothing deployed yet (docker: with its images in the build cache)",
        "`make up` of a lab that was there before",
        "`make down`",
        "`make reset`",
        f"`make snapshot`, {clips} clips",
        f"`make restore`, {clips} clips",
    )
    rows = [
        f"| {name} | " + " | ".join(f"{run[f'{one}_ms'] / 1000:.1f}" for run in runs) + " |"
        for name, one in zip(names, LAB_COMMANDS, strict=True)
    ]
    return "\n".join(("| | embedded | docker |", "| --- | --- | --- |", *rows))


def _conformance(figures: Figures) -> str:
    runs = {
        backend: run for backend in BACKENDS if (run := values(figures, f"conformance_{backend}"))
    }
    titles = (f"{backend}: behaviors | pass | known difference | 501" for backend in runs)
    rows = [
        f"| service | {' | '.join(titles)} |",
        "| --- |" + " ---: |" * (len(CONFORMANCE) * len(runs)),
    ]
    counted = [{**run["by_service"], "all": run} for run in runs.values()]
    for service in counted[0] if counted else ():
        cells = [str(of[service][name]) for of in counted for name in CONFORMANCE]
        rows.append(f"| {service} | {' | '.join(cells)} |")
    known: dict[tuple[str, str, str], list[str]] = {}
    for backend, run in runs.items():
        for one in run["reasons"]:
            known.setdefault((one["service"], one["reason"], one["behaviors"]), []).append(backend)
    rows += ["", "| known difference | in | why |", "| --- | --- | --- |"]
    for (service, reason, behaviors), where in sorted(known.items()):
        rows.append(f"| {service}: {behaviors} | {', '.join(where)} | {reason} |")
    days = (f"{one} {figures[f'conformance_{one}']['when']}" for one in runs)
    return "\n".join((*rows, "", f"Asked: {', '.join(days)}."))


def _soak(figures: Figures) -> str:
    run, origin = values(figures, "soak"), figures["soak"]
    emulator = ", ".join(str(run["emulator_mb"][moment]) for moment in ("start", "middle", "end"))
    grown = ", ".join(f"{name} {change:.1%}" for name, change in sorted(run["growth"].items()))
    return (
        f"Played {origin['when']} on {origin['machine']}:\n`{origin['command']}`. "
        f"{run['answered']} of {run['recorded']} clips\nanswered, {run['shown_twice']} twice, "
        f"{run['answered_per_s']:g} a second; the emulator {emulator} MB (start, middle, end). "
        f"Over the last half grew:\n{grown}."
    )


def _dashboard(figures: Figures) -> str:
    run, origin = values(figures, "dashboard"), figures["dashboard"]
    blank_mb = run["blank_page_mb"]
    page_mb = run["page_mb"] - blank_mb
    both_mb, both_percent = run["server_mb"] + page_mb, run["server_percent"] + run["page_percent"]
    rows = ["| what, after a day of clips | goal | p50 | p95 |", "| --- | --- | --- | --- |"]
    for what, name, goal in (
        ("Live page, first paint", "paint", 1000),
        ("Live page, can be used", "usable", 300),
        ("a result's message → its card on the page", "news", 1000),
    ):
        p50, p95 = (run[f"{name}_{of}_ms"] for of in ("p50", "p95"))
        rows.append(f"| {what} | ≤ {goal} ms | {p50:.0f} ms | {p95:.0f} ms |")
    told = (
        f"Measured {origin['when']} on {origin['machine']}, load {run['load']:g}, with "
        f"{run['clips']:,} clips of history.\nIdle after 40 results: server "
        f"{run['server_mb']:.0f} MB, the page {page_mb:.0f} MB more than an empty one "
        f"({blank_mb:.0f} MB), together\n{both_mb:.0f} MB (goal: 100) and {both_percent:.1f} % of "
        "a core (goal: 2)."
    )
    return "\n".join((*rows, "", told))


def _mutation(figures: Figures) -> str:
    origin = figures["mutation"]
    rows = [
        "| folder | changes | tried | equal in effect | noticed | score | reason, none |",
        "| --- " * 7 + "|",
    ]
    for folder, of in values(figures, "mutation").items():
        unnoticed, none = of["survived"] + of["untested"], of["without_reason"]
        rows.append(
            f"| `{folder}` | {of['changes']} | {of['changes'] - of['not_run']} | {of['equal']} | "
            f"{of['killed']} | {of['score']:.1f} % | {unnoticed - none}, {none} |"
        )
    told = (
        f"Measured {origin['when']}: `{origin['command']}`; where not all were tried, by chance. "
        "The last column:\nhow many that no test noticed have a reason, and how many have none."
    )
    return "\n".join((*rows, "", told))


TABLES: dict[str, Callable[[Figures], str]] = {
    "in_short": _in_short,
    "loop": _loop,
    "state": _state,
    "lab": _lab,
    "conformance": _conformance,
    "soak": _soak,
    "dashboard": _dashboard,
    **RECOGNITION_TABLES,
    **SCALE_TABLES,
    "mutation": _mutation,
    "goals": goals,
    "throughput": throughput,
    "clip_end": lambda figures: seconds(values(figures, "e2e_embedded")["p50_ms"]),
}
