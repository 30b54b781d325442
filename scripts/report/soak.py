"""A soak as a page: did all come back, how long did it take, did anything grow?"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence, Set
from dataclasses import replace
from functools import cache
from itertools import groupby, islice
from typing import Any

from contract.results import Status
from scripts.e2e.film import PlayedFilm
from scripts.e2e.soak_report import DeviceLog, SaidOfClip
from scripts.e2e.truth import ClipTruth
from scripts.report.correctness import NOTHING_CAME, UNKNOWN, WRONG, correctness
from scripts.report.e2e import STAGES
from scripts.report.page import ClipRow, Point, Report, urgency
from scripts.report.thumbnails import thumbnail

MOST_OF_A_KIND = 100  # in a long run the same few of the film come unknown over and over
ID_ENDS_IN = 13  # its number and what is drawn by lot: enough for `make trace`


def soak_report(logs: Sequence[DeviceLog], facts: dict[str, Any], film: PlayedFilm) -> Report:
    """`facts` is the content of out/soak.json, `film` what the cameras played."""
    latency = facts["latency_ms"] or {"p50": 0, "p95": 0}
    recorded = [moment for log in logs for moment in log.recorded.values()]
    first_s = min(recorded, default=0.0)
    points = [
        Point(
            shown_s - first_s,
            ms,
            _correctness(_truth(log, clip_id, film), log.said.get(clip_id)),
            f"{log.device_id}: {ms:.0f} ms",
        )
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
        clips=_clips(logs, film),
        clips_in_all=len(recorded),
        tables=[
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
                     *(_ms((row["latency_ms"] or {}).get(one)) for one in ("p50", "p95")))
                    for name, row in facts["per_device"].items()
                ],
            ),
        ],
    )  # fmt: skip


def _ms(value: float | None) -> str:
    return "" if value is None else f"{value:.0f}"


def _stages(logs: Sequence[DeviceLog]) -> list[tuple[str, float]]:
    """The median of each stage, in the order in which a clip passes through."""
    took = {one: [ms for log in logs for ms in log.stages_ms.get(one, ())] for one in STAGES}
    return [(one, statistics.median(values)) for one, values in took.items() if values]


def _clips(logs: Sequence[DeviceLog], film: PlayedFilm) -> list[ClipRow]:
    """Those to look at: some that are wrong, some unknown, some right, the slowest first."""
    found = [
        (_row(log, clip_id, film), film.place(number))
        for log in logs
        for clip_id, number in log.numbers.items()
    ]
    found.sort(key=lambda one: (urgency(one[0]), -_took_ms(one[0])))
    picture = cache(lambda place: thumbnail(film.clips[place]) if film.clips else b"")
    kinds = groupby(found, key=lambda one: urgency(one[0]))
    shown = [one for _, kind in kinds for one in islice(kind, MOST_OF_A_KIND)]
    return [replace(row, jpeg=picture(place)) for row, place in shown]


def _took_ms(row: ClipRow) -> float:
    """What never came took longest."""
    return math.inf if row.latency_ms is None else row.latency_ms


def _row(log: DeviceLog, clip_id: str, film: PlayedFilm) -> ClipRow:
    truth, said = _truth(log, clip_id, film), log.said.get(clip_id)
    return ClipRow(
        name=f"{log.device_id} {clip_id[-ID_ENDS_IN:]}",
        expected=truth.scene if truth else "",
        said=[NOTHING_CAME] * 2 if said is None else [_names(said.custom), _names(said.online)],
        correctness=_correctness(truth, said),
        latency_ms=log.latency_ms.get(clip_id),
        is_cold=any(clip_id == one for one, _ in log.cold),
    )


def _truth(log: DeviceLog, clip_id: str, film: PlayedFilm) -> ClipTruth | None:
    number = log.numbers.get(clip_id)
    return None if number is None else film.truth_at(film.place(number))


def _names(named: Set[str]) -> str:
    return ", ".join(sorted(named)) or "nobody"


def _correctness(truth: ClipTruth | None, said: SaidOfClip | None) -> str:
    """Nothing where nobody has said who is in the film, and the answer does not tell either."""
    if said is None or said.status == Status.REJECTED:
        return WRONG
    if truth is not None:
        return correctness(truth, said.custom, said.online)
    return UNKNOWN if said.status == Status.UNKNOWN else ""
