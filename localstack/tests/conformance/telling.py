"""Outcomes as a summary for programs and as a table for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from conformance.running import FAILED, KNOWN_DIFFERENCE, PASSED, UNSUPPORTED, Outcome

BEGIN, END = "<!-- written by: make conformance -->", "<!-- end of what make conformance writes -->"


def summary(outcomes: Iterable[Outcome], endpoint: str) -> dict[str, Any]:
    """What `out/conformance.json` has."""
    outcomes = list(outcomes)
    services = sorted({one.behavior.service for one in outcomes})
    by_service = {
        service: _counted([one for one in outcomes if one.behavior.service == service])
        for service in services
    }
    return {
        "endpoint": endpoint,
        **_counted(outcomes),
        "by_service": by_service,
        "differences": [
            {
                "behavior": one.behavior.name,
                "service": one.behavior.service,
                "source": one.behavior.source,
                "result": one.result,
                "said": one.said,
                "reason": one.behavior.known_difference,
            }
            for one in outcomes
            if one.result != PASSED
        ],
    }


def _counted(outcomes: list[Outcome]) -> dict[str, int]:
    results = Counter(one.result for one in outcomes)
    return {
        "behaviours": len(outcomes),
        "passed": results[PASSED],
        "known_differences": results[KNOWN_DIFFERENCE],
        "unsupported": results[UNSUPPORTED],
        "failed": results[FAILED],
    }


def unexpected(outcomes: Iterable[Outcome]) -> list[str]:
    """What the data does not say of this repository's emulator, in both directions."""
    found = []
    for one in outcomes:
        known = one.behavior.known_difference
        if one.result == PASSED and known:
            found.append(f"{one.behavior.name}: passes, though a known difference: {known}")
        elif one.result == FAILED or (one.result == UNSUPPORTED and not known):
            found.append(f"{one.behavior.name}: {one.said}\n    {one.behavior.source}")
    return found


def table(summed_up: dict[str, Any]) -> str:
    """The table of `docs/fidelity.md`, and the reasons below it."""
    lines = [
        "| service | behaviors | pass | known difference | 501 |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    rows = {**summed_up["by_service"], "all": summed_up}
    for service, row in rows.items():
        figures = ("behaviours", "passed", "known_differences", "unsupported")
        lines.append(f"| {service} | " + " | ".join(str(row[name]) for name in figures) + " |")
    known = [one for one in summed_up["differences"] if one["reason"]]
    if known:
        lines += ["", "| known difference | why |", "| --- | --- |"]
        reasons = Counter((one["service"], one["reason"]) for one in known)
        for (service, reason), count in sorted(reasons.items()):
            named = next(
                one["behavior"]
                for one in known
                if (one["service"], one["reason"]) == (service, reason)
            )
            more = f" and {count - 1} more" if count > 1 else ""
            lines.append(f"| {service}: {_cell(named)}{more} | {_cell(reason)} |")
    return "\n".join(lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def with_table(page: str, table_text: str) -> str:
    """`page` with the table between its two marks.

    Raises
    ------
    ValueError
        When it does not have them.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page has no {BEGIN} and {END}")
    return f"{before}{BEGIN}\n{table_text}\n{END}{after}"


def write_table(path: Path, table_text: str) -> bool:
    """Write it into a page; whether that changed anything."""
    page = path.read_text()
    changed = with_table(page, table_text)
    if changed != page:
        path.write_text(changed)
    return changed != page
