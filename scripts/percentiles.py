"""Percentiles, one definition for every report."""

from __future__ import annotations

import statistics
from collections.abc import Iterable


def percentiles(values: Iterable[float]) -> dict[str, float] | None:
    """{p50, p95, max} of `values` in their own unit (nearest rank), None without values."""
    ordered = sorted(values)
    if not ordered:
        return None
    p95 = ordered[max(0, -(-95 * len(ordered) // 100) - 1)]
    return {
        "p50": round(float(statistics.median(ordered)), 1),
        "p95": round(float(p95), 1),
        "max": round(float(ordered[-1]), 1),
    }
