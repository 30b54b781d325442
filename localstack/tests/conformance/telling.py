"""Outcomes as a summary for programs and as a table for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from conformance.running import FAILED, KNOWN_DIFFERENCE, PASSED, UNSUPPORTED, Outcome


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
        "reasons": _reasons(outcomes),
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
    """How many behaviors of each service came to what, and the reasons below it."""
    lines = [
        "| service | behaviors | pass | known difference | 501 |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    rows = {**summed_up["by_service"], "all": summed_up}
    for service, row in rows.items():
        figures = ("behaviours", "passed", "known_differences", "unsupported")
        lines.append(f"| {service} | " + " | ".join(str(row[name]) for name in figures) + " |")
    if summed_up["reasons"]:
        lines += ["", "| known difference | why |", "| --- | --- |"]
        lines += [
            f"| {one['service']}: {_cell(one['behaviors'])} | {_cell(one['reason'])} |"
            for one in summed_up["reasons"]
        ]
    return "\n".join(lines)


def _reasons(outcomes: list[Outcome]) -> list[dict[str, str]]:
    """Why behaviors differ, each reason with the first of them and how many more there are."""
    known: dict[tuple[str, str], list[str]] = {}
    for one in outcomes:
        if one.result != PASSED and (reason := one.behavior.known_difference):
            known.setdefault((one.behavior.service, reason), []).append(one.behavior.name)
    return [
        {
            "service": service,
            "reason": reason,
            "behaviors": names[0] + (f" and {len(names) - 1} more" if len(names) > 1 else ""),
        }
        for (service, reason), names in sorted(known.items())
    ]


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
