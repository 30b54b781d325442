"""Exercise 6: a plan for a school's cameras on AWS that it can afford, and its bill read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from typing import Any

from scripts.exercises.exercise import ConditionSeen
from scripts.exercises.lab_view import LabView
from scripts.plan.figures import LogNormal, Work
from scripts.plan.planning import SECONDS_A_MONTH, Asked, billed_ms, month_usd

NUMBER = 6
FIXED = ("devices", "rate", "region", "active_share", "clip_days")


def look(lab: LabView, given: Mapping[str, Any]) -> Iterator[ConditionSeen]:
    plan = lab.plan()
    read = _read(plan or {})
    if plan is None or read is None:
        yield ConditionSeen(
            "planned", False, "out/plan.json is not there, or not what `make plan` writes"
        )
        return
    asked, work = read
    wrong = [f"{one} {getattr(asked, one)}" for one in FIXED if getattr(asked, one) != given[one]]
    if asked.sent_share < given["least_sent_share"]:
        wrong.append(f"sent_share {asked.sent_share}")
    told = f"not as asked: {', '.join(wrong)}" if wrong else f"{asked.devices} devices"
    yield ConditionSeen("planned", not wrong, told)
    bill = month_usd(asked, work)
    is_own = plan.get("month_usd") == bill
    yield ConditionSeen("unaltered", is_own, f"{bill['total']:.2f} USD a month")
    if not is_own:
        return
    # What the command answers when nothing but the school's own figures is given.
    obvious = replace(
        asked, sent_share=1.0, architecture=Asked.architecture, memory_mb=Asked.memory_mb
    )
    share = bill["total"] / month_usd(obvious, work)["total"]
    told = f"{bill['total']:.2f} USD a month, {share:.1%} of the obvious"
    yield ConditionSeen("affordable", share <= given["most_of_obvious"], told)
    took_ms, on_a_cpu_ms = billed_ms(asked, work), billed_ms(obvious, work)
    told = f"a clip is billed {took_ms:.0f} ms, {on_a_cpu_ms:.0f} ms on a whole CPU"
    yield ConditionSeen("quick", took_ms <= given["most_slower"] * on_a_cpu_ms, told)
    yield _bill(lab, bill, asked, given)


def _read(plan: dict[str, Any]) -> tuple[Asked, Work] | None:
    """What the plan was asked, and the work that it reckons with."""
    try:
        known = {one.name for one in fields(Asked)}
        asked = Asked(**{name: value for name, value in plan["asked"].items() if name in known})
        work = plan["work_ms"]
        return asked, Work(LogNormal(**work["compute"]), LogNormal(**work["waiting"]), work["init"])
    except (AttributeError, KeyError, TypeError):
        return None


def _bill(
    lab: LabView, bill: Mapping[str, float], asked: Asked, given: Mapping[str, Any]
) -> ConditionSeen:
    said = lab.answer(NUMBER)
    if said is None:
        return ConditionSeen("bill", False, f"{lab.answer_file(NUMBER)} is not there")
    lines = {name: usd for name, usd in bill.items() if name != "total"}
    largest = max(lines, key=lambda name: lines[name])
    clips = asked.clips_per_s * SECONDS_A_MONTH * asked.active_share
    per_thousand = bill["total"] / clips * 1000
    wrong = [] if said.get("largest") == largest else ["largest"]
    mine = said.get("usd_per_1000_clips")
    is_near = isinstance(mine, int | float) and (
        abs(mine - per_thousand) <= given["per_thousand_within"] * per_thousand
    )
    wrong += [] if is_near else ["usd_per_1000_clips"]
    told = f"largest: {said.get('largest')}, usd_per_1000_clips: {mine}"
    return ConditionSeen(
        "bill", not wrong, told + (f"; wrong: {', '.join(wrong)}" if wrong else "")
    )
