"""The plan as one self-contained page: distribution, limits, bill, sizes."""

from __future__ import annotations

import html
from typing import Any

_STYLE = """
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}
table{border-collapse:collapse;margin:1rem 0}td,th{padding:.2rem .8rem;text-align:right;
border-bottom:1px solid #8884}td:first-child,th:first-child{text-align:left}
.no{color:#b00020;font-weight:600}svg{width:100%;height:auto}
@media(prefers-color-scheme:dark){body{background:#111;color:#eee}.no{color:#ff8a80}}
"""
_RUNS = {
    "direct_start": "S3 → Lambda, all devices begin at once",
    "direct_steady": "S3 → Lambda, later on",
    "direct_default_quota": "S3 → Lambda with the default quota",
    "through_queue_start": "S3 → SQS → Lambda, all begin at once",
    "through_queue_steady": "S3 → SQS → Lambda, later on",
}
_BAR_PX, _ROW_PX, _LABEL_PX = 520, 30, 300


def page(plan: dict[str, Any]) -> str:
    """HTML of a plan as `planning.plan` made it."""
    asked, bill = plan["asked"], plan["month_usd"]
    title = f"{asked['devices']:,} devices, {asked['clips_per_s']:,.0f} clips a second"
    parts = [
        f"<h1>{title}</h1>",
        f"<p>Region {html.escape(asked['region'])}, {asked['memory_mb']} MB, "
        f"{html.escape(asked['architecture'])}. Limits and prices as of {plan['as_of']}; "
        "transit times are third parties', the function's work is this lab's own measurement.</p>",
        _concurrency(plan),
        "<h2>Clip end to result</h2>",
        _bars(plan["runs"]),
        _latencies(plan),
        "<h2>Requests against limits</h2>",
        _table(
            ["", "a second", "limit", ""],
            [
                [
                    row["what"],
                    f"{row['per_s']:,}",
                    f"{row['limit_per_s']:,.0f}",
                    "fits" if row["fits"] else "too many",
                ]
                for row in plan["requests"]
            ],
        ),
        "<h2>A month</h2>",
        _table(["", "USD"], [[name, f"{usd:,.2f}"] for name, usd in bill.items()]),
        "<h2>Memory sizes</h2>",
        _table(
            ["", "MB", "billed ms a clip", "Lambda, USD a month", ""],
            [
                [
                    row["architecture"],
                    str(row["memory_mb"]),
                    str(row["billed_ms"]),
                    f"{row['lambda_usd']:,.2f}",
                    "cheapest" if row["cheapest"] else "",
                ]
                for row in plan["memory_sizes"]
            ],
        ),
    ]
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
        f"<style>{_STYLE}</style>{''.join(parts)}</html>\n"
    )


def _latencies(plan: dict[str, Any]) -> str:
    return _table(
        ["", "p50", "p95", "cold", "throttled tries", "environments", "waiting"],
        [
            [
                _RUNS[name],
                _seconds(run["clip_end_ms"]["p50"]),
                _seconds(run["clip_end_ms"]["p95"]),
                f"{run['cold_share']:.1%}",
                f"{run['throttled_tries']:,}",
                f"{run['most_environments']:,}",
                f"{run['most_waiting']:,}",
            ]
            for name, run in plan["runs"].items()
        ],
    )


def _concurrency(plan: dict[str, Any]) -> str:
    concurrency, queues = plan["concurrency"], plan["queues_needed"]
    said = (
        f"Needs {concurrency['needed']:,} environments at once; "
        f"the default quota is {concurrency['default_quota']:,}"
    )
    if concurrency["ask_aws"]:
        return f'<p class="no">{said}: ask AWS for more, and use {queues} queues.</p>'
    return f"<p>{said}: it fits.</p>"


def _bars(runs: dict[str, dict[str, Any]]) -> str:
    most = max(run["clip_end_ms"]["p95"] for run in runs.values())
    rows = []
    for index, (name, run) in enumerate(runs.items()):
        y, latency = index * _ROW_PX, run["clip_end_ms"]
        p50, p95 = (_BAR_PX * latency[key] / most for key in ("p50", "p95"))
        rows.append(
            f'<text x="0" y="{y + 19}" font-size="13" fill="currentColor">{_RUNS[name]}</text>'
            f'<rect x="{_LABEL_PX}" y="{y + 6}" width="{p95:.0f}" height="18" fill="#9ec5fe"/>'
            f'<rect x="{_LABEL_PX}" y="{y + 6}" width="{p50:.0f}" height="18" fill="#0d6efd"/>'
            f'<text x="{_LABEL_PX + p95 + 6:.0f}" y="{y + 19}" font-size="12" '
            f'fill="currentColor">{_seconds(latency["p50"])}, {_seconds(latency["p95"])}</text>'
        )
    height = len(runs) * _ROW_PX
    return (
        f'<svg viewBox="0 0 {_LABEL_PX + _BAR_PX + 120} {height}" role="img" '
        f'aria-label="median and 95th percentile of each run">{"".join(rows)}</svg>'
    )


def _table(head: list[str], rows: list[list[str]]) -> str:
    def cells(row: list[str], tag: str) -> str:
        return "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in row)

    body = "".join(f"<tr>{cells(row, 'td')}</tr>" for row in rows)
    return f"<table><tr>{cells(head, 'th')}</tr>{body}</table>"


def _seconds(milliseconds: float) -> str:
    return f"{milliseconds / 1000:.2f} s"
