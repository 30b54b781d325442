"""What a soak found, in figures and in words."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from scripts.e2e.steadiness import Sample, Steadiness, as_rows, three_moments
from scripts.percentiles import percentiles


@dataclass(frozen=True)
class SoakPlan:
    """How many devices record how many clips each, at how many a second."""

    devices: int
    clips_each: int
    rate: float

    @property
    def clips(self) -> int:
        return self.devices * self.clips_each

    @property
    def seconds(self) -> float:
        return self.clips_each / self.rate


@dataclass(frozen=True)
class SaidOfClip:
    """Who each model named in a clip, by person id, and the answer's status."""

    custom: frozenset[str]
    online: frozenset[str]
    status: str


@dataclass
class DeviceLog:
    """What one device's two programs said, with the time on our clock (s)."""

    device_id: str
    recorded: dict[str, float] = field(default_factory=dict)
    numbers: dict[str, int] = field(default_factory=dict)
    """The how manyth of its camera each recorded clip is."""
    said: dict[str, SaidOfClip] = field(default_factory=dict)
    shown: list[tuple[str, float]] = field(default_factory=list)
    claimed_by: list[str] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)
    latency_ms: dict[str, float] = field(default_factory=dict)
    """Of each clip that was shown, from its end."""
    stages_ms: dict[str, list[float]] = field(default_factory=dict)
    """What the function took for each of its stages, a value for each clip that was shown."""
    cold: list[tuple[str, float]] = field(default_factory=list)
    """(clip id, init in ms) of those that began an environment."""
    repeated: int = 0

    def record(self, clip: dict[str, Any], at_s: float) -> None:
        """`clip` is what `camera` says of one that it has recorded."""
        self.recorded[clip["clip_id"]] = at_s
        self.numbers[clip["clip_id"]] = clip["sequence"]

    def show(self, result: dict[str, Any], at_s: float) -> None:
        """`result` is what `messages` says of one that it has shown."""
        clip_id = result["clip_id"]
        self.shown.append((clip_id, at_s))
        self.claimed_by.append(result["device_id"])
        self.statuses[result["status"]] += 1
        custom, online = (_named(result, model) for model in ("custom", "online"))
        self.said[clip_id] = _said(custom, online, result["status"])
        if result["latency_ms"]:
            self.latency_ms[clip_id] = result["latency_ms"]["clip_end"]
        for stage, ms in result["stages_ms"].items():
            self.stages_ms.setdefault(stage, []).append(ms)
        if result["cold_start"]:
            self.cold.append((clip_id, result["init_ms"] or 0.0))

    @property
    def answered(self) -> set[str]:
        return {clip_id for clip_id, _ in self.shown} & self.recorded.keys()


def _named(result: dict[str, Any], model: str) -> frozenset[str]:
    people = (face[model]["person"] for face in result["faces"])
    return frozenset(one["person_id"] for one in people if one)


@cache
def _said(custom: frozenset[str], online: frozenset[str], status: str) -> SaidOfClip:
    """A run of days says the same few things over and over: each is kept once."""
    return SaidOfClip(custom, online, status)


def report(
    logs: list[DeviceLog],
    plan: SoakPlan,
    backend: str,
    samples: list[Sample],
    steadiness: Steadiness,
) -> dict[str, Any]:
    """The run in figures. `ok` says that every clip came back, once, to its own device, and that
    nothing grew or got slower; `faults` says what is not so.
    """
    per_device = {log.device_id: _device_report(log) for log in logs}
    times = sorted(t for log in logs for t in log.recorded.values())
    answers = sorted(t for log in logs for _, t in log.shown)
    totals = {
        name: sum(row[name] for row in per_device.values())
        for name in ("recorded", "answered", "lost", "foreign", "shown_twice", "repeats_dropped")
    }
    recording_s = times[-1] - times[0] if times else 0.0
    span_s = answers[-1] - times[0] if answers else 0.0
    faults = [*_wrong(totals, plan), *steadiness.faults]
    return {
        "ok": not faults,
        "faults": faults,
        "steadiness_judged": steadiness.judged,
        "backend": backend,
        "cpus": os.cpu_count(),
        "load_average_1m": round(os.getloadavg()[0], 1),
        "devices": len(logs),
        "rate": plan.rate,
        "seconds": round(plan.seconds, 1),
        "clips_asked": plan.clips,
        **totals,
        "statuses": dict(sum((log.statuses for log in logs), Counter())),
        "recording_s": round(recording_s, 1),
        "last_answer_after_recording_s": round(answers[-1] - times[-1], 1) if answers else None,
        "answered_per_s": round(len(answers) / span_s, 2) if span_s else None,
        "most_clips_under_way": _most_under_way(times, answers),
        "latency_ms": percentiles([ms for log in logs for ms in log.latency_ms.values()]),
        "memory_mb": three_moments(samples) if samples else {},
        "memory_growth": steadiness.growth,
        "state_mb": [one.state_mb for one in samples],
        "per_device": per_device,
        "samples": as_rows(samples),
    }


def _wrong(totals: dict[str, int], plan: SoakPlan) -> list[str]:
    """Clips that did not come back, once, to their own device."""
    missing = plan.clips - totals["recorded"]
    counted = {
        "clips were not recorded: the cameras fell behind": missing,
        "clips got no answer": totals["lost"],
        "results came to a wrong device": totals["foreign"],
        "results were shown twice": totals["shown_twice"],
    }
    return [f"{count} {what}" for what, count in counted.items() if count]


def _device_report(log: DeviceLog) -> dict[str, Any]:
    shown = [clip_id for clip_id, _ in log.shown]
    return {
        "recorded": len(log.recorded),
        "answered": len(log.answered),
        "lost": len(log.recorded.keys() - log.answered),
        # A result that is of no clip of this device, by its id or by its own word.
        "foreign": sum(
            clip_id not in log.recorded or claimed != log.device_id
            for clip_id, claimed in zip(shown, log.claimed_by, strict=True)
        ),
        "shown_twice": len(shown) - len(set(shown)),
        "repeats_dropped": log.repeated,
        "latency_ms": percentiles(log.latency_ms.values()),
    }


def _most_under_way(recorded: list[float], answered: list[float]) -> int:
    """The largest number of clips that were recorded and not yet answered."""
    steps = sorted([(t, 1) for t in recorded] + [(t, -1) for t in answered])
    most = now = 0
    for _, step in steps:
        now += step
        most = max(most, now)
    return most


def summary(facts: dict[str, Any]) -> str:
    lines = [
        f"{facts['devices']} devices, {facts['recorded']} of {facts['clips_asked']} clips recorded "
        f"in {facts['recording_s']:.0f} s, {facts['answered']} answered",
        f"lost {facts['lost']}, to a wrong device {facts['foreign']}, "
        f"shown twice {facts['shown_twice']}",
    ]
    if growth := facts["memory_growth"]:
        grown = ", ".join(
            f"{name} {facts['memory_mb'][name]['end']} MB ({change:+.1%})"
            for name, change in growth.items()
            if "end" in facts["memory_mb"].get(name, ())
        )
        lines.append(f"memory at the end, and its change over the last half: {grown}")
    if latency := facts["latency_ms"]:
        lines += [
            f"{facts['answered_per_s']} answers a second, the last one "
            f"{facts['last_answer_after_recording_s']} s after recording had ended, "
            f"at most {facts['most_clips_under_way']} clips under way",
            f"latency from clip end: p50 {latency['p50']:.0f} ms, p95 {latency['p95']:.0f} ms "
            f"({facts['cpus']} CPUs, load {facts['load_average_1m']})",
        ]
    return "\n".join(lines)
