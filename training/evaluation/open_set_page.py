"""The part of the evaluation's page about the open set: figures, DET curves, groups."""

from __future__ import annotations

import html
import math
from typing import Any

_COLUMNS = (
    ("named_right", "named right"),
    ("named_wrong", "named wrong"),
    ("missed", "missed"),
    ("strangers_named", "strangers named"),
)
_FOR_PARTS = (*_COLUMNS, ("false_matches", "alike to others"), ("face_found", "face found"))
_COLORS = {"online": "var(--online)", "custom": "var(--custom)", "report_style": "var(--dim)"}
_LOWEST = -3.0
SCROLL = "<div class=scroll tabindex=0>"  # or no keyboard reaches what is to the right
_AT_THE_EDGE = {False: "middle", True: "end"}


def tick(x: float, exponent: int) -> str:
    """A share below a chart, 10 to the power of `exponent`; 100 % ends where the chart does."""
    return (
        f'<text x="{x:.1f}" y="226" text-anchor="{_AT_THE_EDGE[exponent == 0]}">'
        f"{10.0**exponent * 100:g} %</text>"
    )


def open_set_section(report: dict[str, Any]) -> str:
    """HTML; nothing where neither pictures nor clips were asked about."""
    figures = report.get("open_set")
    if not figures:
        return ""
    heads = "".join(f"<th>{title}</th>" for _, title in _COLUMNS)
    rows = "".join(
        f'<tr><td class="{name}">{_text(name)}</td>'
        + "".join(_share(figures[name][key]) for key, _ in _COLUMNS)
        + "</tr>"
        for name in ("online", "custom", "final", "report_style")
        if name in figures
    )
    groups = report["by_group"] or {}
    conditions = report["by_condition"] or {}
    others = {name: one for name, one in conditions.items() if name not in groups}
    of_pictures = figures["of"] == "pictures"
    asked = "pictures" if of_pictures else "whole clips of one person each"
    of = "" if of_pictures else ", clips"
    return (
        f"<h2>Open set{of}</h2><p class=soft>What counts: whom the models name of the people they "
        f"know, and how often they name a stranger, asked about {asked}. With 95 % intervals, "
        "bootstrapped by person. “Report style” is the nearest raw distance up to 0.6. "
        f"{_promise(figures['promise'])}</p>"
        f"{SCROLL}<table><tr><th></th>{heads}</tr>{rows}</table></div>"
        f"<div class=charts><div class=card>{_det(figures['det'])}</div></div>"
        f"{_parts(f'By group{of}', groups)}{_parts(f'By condition{of}', others)}"
    )


def _promise(promise: dict[str, Any]) -> str:
    return "" if promise["worst"] is None else f"{_text(promise_in_words(promise))}."


def promise_in_words(promise: dict[str, Any]) -> str:
    """Whether the worst group, which there must be, is within the promise."""
    worst = promise["worst"]
    share = worst["strangers_named"]
    low, high = share["interval_95"]
    said = {
        True: "No group's strangers are named more often than promised",
        False: "More strangers are named than promised",
        None: "Too few strangers to tell whether each group is within the promise",
    }[promise["kept"]]
    return (
        f"{said} ({promise['promised']:.1%}): of {worst['group']} “{worst['label']}” "
        f"{share['count']} of {share['n']}, 95 %: {low:.1%} to {high:.1%}"
    )


def _det(curves: dict[str, list[tuple[float, float]]]) -> str:
    def place(rate: float) -> float:
        return 1 - max(math.log10(max(rate, 1e-9)), _LOWEST) / _LOWEST

    body = []
    for exponent in (-3, -2, -1, 0):
        x, y = 40 + 320 * place(10.0**exponent), 210 - 190 * place(10.0**exponent)
        label = f"{10.0**exponent * 100:g} %"
        body.append(
            f'<line x1="{x:.0f}" x2="{x:.0f}" y1="20" y2="210" stroke="var(--line)"/>'
            f"{tick(x, exponent)}"
            f'<line x1="40" x2="360" y1="{y:.0f}" y2="{y:.0f}" stroke="var(--line)"/>'
            f'<text x="36" y="{y + 4:.0f}" text-anchor="end">{label}</text>'
        )
    for name, points in curves.items():
        drawn = " ".join(f"{40 + 320 * place(x):.1f},{210 - 190 * place(y):.1f}" for x, y in points)
        body.append(
            f'<polyline points="{drawn}" fill="none" stroke="{_COLORS[name]}" stroke-width="2"/>'
        )
    legend = " ".join(
        f'<span style="color:{_COLORS[name]}">— {_text(name)}</span>' for name in curves
    )
    return (
        "<b>Known people not named, by the share of strangers named</b>"
        f'<svg viewBox="0 0 372 234" role="img" aria-label="DET">{"".join(body)}</svg>{legend}'
    )


def _parts(title: str, parts: dict[str, dict[str, dict[str, Any]]]) -> str:
    if not parts:
        return ""
    rows = []
    for kind, groups in parts.items():
        for name, figures in groups.items():
            cells = "".join(_share(figures.get(key)) for key, _ in _FOR_PARTS)
            rows.append(f"<tr><td>{_text(kind)}</td><td>{_text(name)}</td>{cells}</tr>")
    heads = "".join(f"<th>{name}</th>" for _, name in _FOR_PARTS)
    return (
        f"<h2>{title}</h2>{SCROLL}<table><tr><th></th><th></th>{heads}</tr>"
        f"{''.join(rows)}</table></div>"
    )


def _share(share: dict[str, Any] | None) -> str:
    if share is None or share["value"] is None:
        return "<td>–</td>"
    low, high = share["interval_95"]
    digits = 1 if share["count"] == 0 or share["value"] >= 0.01 else 2
    return (
        f"<td>{share['value']:.{digits}%} "
        f"<span class=soft>{low:.{digits}%}–{high:.{digits}%}, "
        f"{share['count']} of {share['n']}</span></td>"
    )


def _text(value: object) -> str:
    return html.escape(str(value).replace("_", " "))
