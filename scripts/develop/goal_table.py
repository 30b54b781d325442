"""The goals that were set for speed, beside what was measured: docs/performance.md."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from scripts.develop.figures import DEVICES, RUNS, Figures, values


@dataclass(frozen=True)
class Goal:
    """What was asked, of which run's figures, how they are told and whether they are enough."""

    what: str
    asked: str
    run: str
    says: Callable[[dict[str, Any]], str]
    is_met: Callable[[dict[str, Any]], bool]


def _percentiles(what: str, run: str, p50_ms: float, p95_ms: float) -> Goal:
    return Goal(
        what,
        f"p50 ≤ {p50_ms:.0f}, p95 ≤ {p95_ms:.0f} ms",
        run,
        lambda found: f"p50 {found['p50_ms']:.0f}, p95 {found['p95_ms']:.0f} ms",
        lambda found: found["p50_ms"] <= p50_ms and found["p95_ms"] <= p95_ms,
    )


def _at_most(what: str, run: str, limits: dict[str, float], unit: str = " ms") -> Goal:
    """`limits` by figure: `cpu_ms.function` is one within another."""

    def found_in(found: dict[str, Any]) -> list[float]:
        return [_step_by_step(found, figure) for figure in limits]

    return Goal(
        what,
        "≤ " + " / ".join(f"{limit:g}" for limit in limits.values()) + unit,
        run,
        lambda found: " / ".join(map(_short, found_in(found))) + unit,
        lambda found: all(
            value <= limit for value, limit in zip(found_in(found), limits.values(), strict=True)
        ),
    )


def _short(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def _step_by_step(found: Any, figure: str) -> Any:
    for step in figure.split("."):
        found = found[step]
    return found


_CPU_GOALS_MS = {"function": 35, "emulator": 20, "camera": 5, "messages": 4}
GOALS = (
    _percentiles("clip end → printed, one device, embedded", "e2e_embedded", 90, 200),
    _percentiles("the same, docker", "e2e_docker", 100, 220),
    _percentiles("4 devices with 8 clips a second, embedded", "four_devices_embedded", 150, 400),
    _percentiles("the same, docker", "four_devices_docker", 250, 700),
    _at_most("one device's slowest clip, embedded", "slowest_embedded", {"ms": 1000}),
    _at_most("the same, docker", "slowest_docker", {"ms": 1000}),
    _at_most("the first clip after `make up`, embedded", "first_clip_embedded", {"ms": 1000}),
    _at_most("the same, docker", "first_clip_docker", {"ms": 1000}),
    Goal(
        "most clips a second with p95 within a second",
        "≥ 14",
        "throughput",
        lambda found: f"{found['clips_per_s']:g}",
        lambda found: found["clips_per_s"] >= 14,
    ),
    _at_most(
        "CPU a clip: function / emulator / camera / messages",
        "loop",
        {f"cpu_ms.{name}": ms for name, ms in _CPU_GOALS_MS.items()},
    ),
    _at_most("compute of one face, 640×480 / 160×160", "compute", {"large_ms": 35, "small_ms": 18}),
    Goal(
        "the report's pipeline for the same, times as long",
        "≥ 40 / 20",
        "compute",
        lambda found: f"{found['large_ratio']:.1f} / {found['small_ratio']:.1f}",
        lambda found: found["large_ratio"] >= 40 and found["small_ratio"] >= 20,
    ),
    Goal(
        "the report's whole design, times as long",
        "≥ 20",
        "loop",
        lambda found: f"{found['ratio']:g}",
        lambda found: found["ratio"] >= 20,
    ),
    _at_most(
        "compute of nobody, cluttered room / plain wall",
        "compute",
        {"cluttered_ms": 80, "wall_ms": 15},
    ),
    _at_most("function init, fresh process", "compute", {"init_ms": 700}),
    _at_most(
        "against 3c7f219: loop p50 / p95",
        "against_loop",
        {"ratios.p50_ms": 0.55, "ratios.p95_ms": 0.55},
        "",
    ),
    Goal(
        "against 3c7f219: most clips a second with p95 within a second",
        "≥ 2",
        "against_sustained",
        lambda found: f"{found['ratio']:g}",
        lambda found: found["ratio"] >= 2,
    ),
    _at_most(
        "against 3c7f219: CPU a clip, emulator / function",
        "against_loop",
        {"ratios.emulator_cpu_ms": 0.5, "ratios.function_cpu_ms": 0.5},
        "",
    ),
    _at_most(
        "against 3c7f219: compute, one face / cluttered room / plain wall",
        "against",
        {"face_ratio": 0.45, "cluttered_ratio": 0.45, "wall_ratio": 0.45},
        "",
    ),
)


def goals(figures: Figures) -> str:
    """A row for each goal."""
    rows = ["| what | goal | measured | | by |", "| --- | --- | --- | --- | --- |"]
    for goal in GOALS:
        said, reached, by = "not measured", "", f"`{RUNS[goal.run].command}`"
        # Kept figures may be older than the row that wants one more of them.
        with suppress(KeyError):
            found = values(figures, goal.run)
            said, reached = goal.says(found), "reached" if goal.is_met(found) else "missed"
            by = f"{figures[goal.run]['when']}: {by}"
        rows.append(f"| {goal.what} | {goal.asked} | {said} | {reached} | {by} |")
    return "\n".join(rows)


def throughput(figures: Figures) -> str:
    """The most clips a second for each number of devices."""
    found = values(figures, "throughput")
    head = ("| devices | clips a second | p50 | p95 | CPUs busy |", "| --- " * 5 + "|")
    rows = (
        f"| {devices} | {found[f'rate_{devices}']:g} | {found[f'p50_{devices}']:.0f} ms | "
        f"{found[f'p95_{devices}']:.0f} ms | {found[f'busy_{devices}']:.0%} |"
        for devices in DEVICES
        if f"rate_{devices}" in found
    )
    return "\n".join((*head, *rows))
