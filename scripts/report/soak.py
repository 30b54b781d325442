"""A soak as a page: did all come back, how long did it take, did anything grow?"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

from scripts.e2e.soak_report import DeviceLog
from scripts.report.e2e import STAGES
from scripts.report.page import Point, Report

MOST_SLOW = 20


def soak_report(logs: Sequence[DeviceLog], facts: dict[str, Any]) -> Report:
    """`facts` is the content of out/soak.json."""
    latency = facts["latency_ms"] or {"p50": 0, "p95": 0}
    recorded = [moment for log in logs for moment in log.recorded.values()]
    first_s = min(recorded, default=0.0)
    points = [
        Point(shown_s - first_s, ms, "", f"{log.device_id}: {ms:.0f} ms")
        for log in logs
        for clip_id, shown_s in log.shown
        if (ms := log.latency_ms.get(clip_id)) is not None
    ]
    return Report(
        title=f"Soak: {facts['devices']} devices, {facts['recorded']} clips, {facts['backend']}",
        ok=facts["ok"],
        problems=facts["faults"],
        figures=[
            ("answered", f"{facts['answered']} of {facts['recorded']}"),
            ("lost", str(facts["lost"])),
            ("to a wrong device", str(facts["foreign"])),
            ("shown twice", str(facts["shown_twice"])),
            ("answered a second", str(facts["answered_per_s"])),
            ("p50", f"{latency['p50']:.0f} ms"),
            ("p95", f"{latency['p95']:.0f} ms"),
        ],
        points=points,
        stages=_stages(logs),
        cold=[one for log in logs for one in log.cold],
        tables=[
            ("The slowest clips", ("clip", "device", "ms"), _slowest(logs)),
            (
                "Memory, MB",
                ("what", "start", "middle", "end"),
                [
                    (name, *(str(one.get(when, "")) for when in ("start", "middle", "end")))
                    for name, one in facts["memory_mb"].items()
                ],
            ),
            (
                "Devices",
                ("device", "recorded", "answered", "lost", "p50, ms", "p95, ms"),
                [
                    (name, str(row["recorded"]), str(row["answered"]), str(row["lost"]),
                     *(str((row["latency_ms"] or {}).get(one, "")) for one in ("p50", "p95")))
                    for name, row in facts["per_device"].items()
                ],
            ),
        ],
    )  # fmt: skip


def _stages(logs: Sequence[DeviceLog]) -> list[tuple[str, float]]:
    """The median of each stage, in the order in which a clip passes through."""
    took = {one: [ms for log in logs for ms in log.stages_ms.get(one, ())] for one in STAGES}
    return [(one, statistics.median(values)) for one, values in took.items() if values]


def _slowest(logs: Sequence[DeviceLog]) -> list[tuple[str, str, str]]:
    took = [(ms, clip, log.device_id) for log in logs for clip, ms in log.latency_ms.items()]
    worst = sorted(took, reverse=True)[:MOST_SLOW]
    return [(clip_id, device_id, f"{ms:.0f}") for ms, clip_id, device_id in worst]
