"""Exercise 4: a function of their own answers objects that this check puts into its bucket."""

from __future__ import annotations

import hashlib
import json
import secrets
import time
from collections.abc import Iterator, Mapping
from typing import Any

from scripts.exercises.exercise import ConditionSeen
from scripts.exercises.lab_view import LabView

POLL_S = 0.2
PLAIN, ODD = "check-{}.txt", "check {} + ä.txt"


def look(lab: LabView, given: Mapping[str, Any]) -> Iterator[ConditionSeen]:
    bucket: str = given["bucket"]
    triggers = {
        one.name: [word for word in one.triggers if _bucket_of(word) == bucket]
        for one in lab.functions()
    }
    mine = {name: words for name, words in triggers.items() if words}
    told = ", ".join(mine) or f"yours: {', '.join(triggers) or 'none'}; none has that trigger"
    yield ConditionSeen("deployed", bool(mine), told)
    if not mine:
        return
    words = [word for one in mine.values() for word in one]
    is_bounded = all(word.startswith(f"s3://{bucket}/in/") for word in words)
    yield ConditionSeen("prefix", is_bounded, ", ".join(words))
    if not is_bounded:
        return  # what is put there could go round for ever
    for name, form in (("answers", PLAIN), ("odd_names", ODD)):
        yield _asked(lab, bucket, name, form.format(secrets.token_hex(4)), given["patience_s"])


def _bucket_of(trigger: str) -> str:
    return trigger.removeprefix("s3://").partition("/")[0].partition("*")[0]


def _asked(lab: LabView, bucket: str, name: str, file: str, patience_s: float) -> ConditionSeen:
    """Put an object that nobody has seen before, and wait for what is made of it."""
    data = secrets.token_bytes(1_000 + secrets.randbelow(1_000))
    wanted = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    key, answer_key = f"in/{file}", f"out/{file}.json"
    try:
        lab.put(bucket, key, data)
        deadline = time.monotonic() + patience_s
        while (answer := lab.get(bucket, answer_key)) is None and time.monotonic() < deadline:
            time.sleep(POLL_S)  # between polls: a bucket tells nobody but functions
    finally:
        lab.remove(bucket, (key, answer_key))
    if answer is None:
        return ConditionSeen(
            name, False, f"{key} was put; {answer_key} did not come in {patience_s:g} s"
        )
    try:
        said = json.loads(answer)
    except ValueError:
        return ConditionSeen(name, False, f"{answer_key} is no JSON")
    if not isinstance(said, dict):
        return ConditionSeen(name, False, f"{answer_key} is no JSON object")
    wrong = [one for one, value in wanted.items() if said.get(one) != value]
    told = f"{answer_key}: {', '.join(wrong)} wrong" if wrong else f"{answer_key} is right"
    return ConditionSeen(name, not wrong, told)
