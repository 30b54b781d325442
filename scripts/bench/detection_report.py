"""What `facelab bench-detection` found, in words; `facts` as it writes them."""

from __future__ import annotations

from typing import Any

_TITLES = {"clip": "facelab, clip", "photo": "facelab, photo"}


def as_table(facts: dict[str, Any]) -> str:
    """The faces found, as Markdown."""
    finders = facts["found"]
    named = " | ".join(_TITLES.get(name, name) for name in finders)
    lines = [f"| faces | of | {named} |", "| --- " * (len(finders) + 2) + "|"]
    for row in facts["kinds"]:
        found = " | ".join(str(row["found"][name]) for name in finders)
        lines.append(f"| {row['kind']} | {row['faces']} | {found} |")
    totals = " | ".join(f"**{finders[name]}**" for name in finders)
    alarms = " | ".join(str(facts["false_alarms"][name]) for name in finders)
    lines += [f"| **all** | {facts['faces']} | {totals} |", f"| false alarms | | {alarms} |"]
    return "\n".join(lines)


def sizes_in_words(facts: dict[str, Any]) -> str:
    """How many were found, and each size and tone at which some were not."""
    holes = [
        f"{row['kind']}: {row['found']['clip']} of {row['faces']}"
        for row in facts["kinds"]
        if row["found"]["clip"] < row["faces"]
    ]
    alarms = facts["false_alarms"]["clip"]
    found = f"{facts['found']['clip']} of {facts['faces']} found, {alarms} false alarms"
    return "\n".join([found, *holes])


def empty_in_words(facts: dict[str, Any]) -> str:
    """In how many pictures of nobody somebody was seen, and which."""
    lines = [f"{facts['pictures']} pictures of nobody; somebody was seen"]
    for name, numbers in facts["false_alarms"].items():
        told = f" (numbers {', '.join(map(str, numbers))})" if numbers else ""
        lines.append(f"  the {name}'s way in {len(numbers)}{told}")
    return "\n".join(lines)
