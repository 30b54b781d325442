"""A picture of throughput: the slowest twentieth over the rate, a line for each device count."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from typing import Any

_WIDTH, _HEIGHT, _MARGIN = 640, 360, 56
_COLORS = ("#1b6ca8", "#c2571a", "#3a7d44", "#7d3a78")
_LEAST_MS, _MOST_MS = 50.0, 20_000.0


def picture(trials: Sequence[dict[str, Any]], goal_ms: float) -> str:
    """As SVG. Latency is drawn on a logarithmic scale."""
    finite = [one for one in trials if one["p95_ms"] is not None]
    most_rate = max((one["asked_per_s"] for one in finite), default=1.0) * 1.05

    def x(rate: float) -> float:
        return _MARGIN + rate / most_rate * (_WIDTH - 2 * _MARGIN)

    def y(ms: float) -> float:
        bounded = min(max(ms, _LEAST_MS), _MOST_MS)
        share = math.log(bounded / _LEAST_MS) / math.log(_MOST_MS / _LEAST_MS)
        return _HEIGHT - _MARGIN - share * (_HEIGHT - 2 * _MARGIN)

    parts = [
        f'<line x1="{_MARGIN}" y1="{y(goal_ms):.1f}" x2="{_WIDTH - _MARGIN}" '
        f'y2="{y(goal_ms):.1f}" stroke="#b00020" stroke-dasharray="6 4"/>'
    ]
    for ms in (100, 200, 500, 1000, 2000, 5000, 10_000):
        parts.append(_text(_MARGIN - 6, y(ms) + 4, f"{ms:g} ms", "end"))
    for number in range(6):
        rate = most_rate * number / 5
        parts.append(_text(x(rate), _HEIGHT - _MARGIN + 18, f"{rate:.0f}", "middle"))
    parts.append(_text(_WIDTH / 2, _HEIGHT - 12, "clips a second, all devices together", "middle"))
    counts = list(dict.fromkeys(one["devices"] for one in finite))
    for color, devices in zip(_COLORS, counts, strict=False):
        mine = sorted(
            (one for one in finite if one["devices"] == devices),
            key=lambda one: float(one["asked_per_s"]),
        )
        places = [(x(one["asked_per_s"]), y(one["p95_ms"])) for one in mine]
        line = " ".join(f"{left:.1f},{top:.1f}" for left, top in places)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{color}" stroke-width="2"/>')
        parts += [
            f'<circle cx="{left:.1f}" cy="{top:.1f}" r="3.5" fill="{color}"/>'
            for left, top in places
        ]
        label = f"{devices} device{'s' if devices > 1 else ''}"
        row = _MARGIN + 16 * counts.index(devices)
        parts.append(_text(_WIDTH - _MARGIN, row, label, "end", color))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        f'font-family="sans-serif" font-size="12"><title>95th percentile from clip end to printed '
        f'line</title><rect width="100%" height="100%" fill="#fff"/>{"".join(parts)}</svg>\n'
    )


def _text(left: float, top: float, text: str, anchor: str, color: str = "#333") -> str:
    return (
        f'<text x="{left:.1f}" y="{top:.1f}" text-anchor="{anchor}" fill="{color}">'
        f"{html.escape(text)}</text>"
    )
