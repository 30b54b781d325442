"""The figures of `facelab bench-loop`: parts of a clip's way, percentiles, the table."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from contract.spans import Span
from scripts.traces.clip_line import ClipLine

# Moments of a clip's way, each by the span that begins or ends then; a part ends at each.
_MOMENTS = (
    ("to_upload", "upload", "start"),
    ("upload_and_event", "answer", "start"),
    ("fetch", "recognize", "start"),
    ("recognize", "recognize", "end"),
    ("claim_and_look_up", "send", "start"),
    ("send", "send", "end"),
    ("receive", "print", "start"),
    ("print", "print", "end"),
)
PARTS = tuple(name for name, _, _ in _MOMENTS)
# Of the clips, those nearest to the median: their parts add up to it, which medians would not.
_MIDDLE = 0.2
_GAP = 0.05


def parts_of(line: ClipLine, of_device: Iterable[Span]) -> dict[str, float] | None:
    """From a clip's end to its printed line, without a gap; None where a station told nothing."""
    spans = {span.name: span for span in [*line.spans, *of_device]}
    if "record" not in spans or any(span not in spans for _, span, _ in _MOMENTS):
        return None
    moments = [
        spans[span].start_ms if edge == "start" else spans[span].end_ms
        for _, span, edge in _MOMENTS
    ]
    # A message may be read before its sender knows that it was sent.
    moments = [min(moments[place:]) for place in range(len(moments))]
    before = [spans["record"].end_ms, *moments[:-1]]
    return dict(zip(PARTS, (a - b for a, b in zip(moments, before, strict=True)), strict=True))


def percentiles(values: Iterable[float]) -> dict[str, float]:
    """{p50, p95, p99} (nearest rank, the median apart)."""
    ordered = sorted(values)

    def rank(share: int) -> float:
        return ordered[max(0, -(-share * len(ordered) // 100) - 1)]

    return {
        "p50": round(statistics.median(ordered), 1),
        "p95": round(rank(95), 1),
        "p99": round(rank(99), 1),
    }


def side(
    latencies: Sequence[float], parts: Sequence[Mapping[str, float]], cpu_ms: Mapping[str, float]
) -> dict[str, Any]:
    """One design's figures. `parts` are of clips in any order; `cpu_ms` is of all clips."""
    clip_end_ms = percentiles(latencies)
    return {
        "clips": len(latencies),
        "clip_end_ms": clip_end_ms,
        "stages_ms": middle(parts, clip_end_ms["p50"]),
        "cpu_ms_per_clip": {
            name: round(spent / len(latencies), 1) for name, spent in sorted(cpu_ms.items())
        },
    }


def middle(parts: Sequence[Mapping[str, float]], p50_ms: float) -> dict[str, float]:
    """Mean parts of the clips whose way took about `p50_ms`; `sum` is what they add up to."""
    ordered = sorted(parts, key=lambda one: abs(sum(one.values()) - p50_ms))
    chosen = ordered[: max(1, round(_MIDDLE * len(ordered)))]
    names = dict.fromkeys(name for one in chosen for name in one)
    means = {
        name: round(statistics.mean(one.get(name, 0.0) for one in chosen), 1) for name in names
    }
    return {**means, "sum": round(sum(means.values()), 1)} if means else {}


def gap(of_side: Mapping[str, Any]) -> str | None:
    """What to say where a side's parts do not add up to its median within 5 %."""
    whole, found = of_side["clip_end_ms"]["p50"], of_side["stages_ms"].get("sum", 0.0)
    if abs(found / whole - 1) <= _GAP:
        return None
    return (
        f"the parts add up to {found:.0f} ms, the median is {whole:.0f}: stations told too little"
    )


def table(facts: Mapping[str, Any]) -> str:
    """For people: both designs, and where the time goes."""
    lines = []
    for name in ("facelab", "report_style"):
        row = facts[name]
        shown = "  ".join(f"{key} {ms:8.1f}" for key, ms in row["clip_end_ms"].items())
        lines.append(f"{name:>13}  {shown} ms  ({row['clips']} clips)")
        stages = ", ".join(f"{stage} {ms:.0f}" for stage, ms in row["stages_ms"].items())
        cpu = ", ".join(f"{process} {ms:.0f}" for process, ms in row["cpu_ms_per_clip"].items())
        lines += [f"{'':15}{stages}", f"{'':15}CPU a clip: {cpu} ms"]
    lines.append(
        f"the report's design takes {facts['ratio_p50']} times as long; "
        f"a cold start of ours {facts['cold_ms']:.0f} ms"
    )
    return "\n".join(lines)
