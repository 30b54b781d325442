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
    token = secrets.token_hex(4)
    files = {"answers": PLAIN.format(token), "odd_names": ODD.format(token)}
    yield from _asked(lab, bucket, list(mine), files, given["patience_s"])


def _bucket_of(trigger: str) -> str:
    return trigger.removeprefix("s3://").partition("/")[0].partition("*")[0]


def _asked(
    lab: LabView, bucket: str, functions: list[str], files: dict[str, str], patience_s: float
) -> Iterator[ConditionSeen]:
    """Put objects that nobody has seen before, and wait for what is made of them."""
    data = {name: secrets.token_bytes(1_000 + secrets.randbelow(1_000)) for name in files}
    since_ms = time.time_ns() // 1_000_000
    try:
        for name, file in files.items():
            lab.put(bucket, _key(file), data[name])
        wanted = {name: _answer_key(file) for name, file in files.items()}
        answers = _answers(lab, bucket, functions, wanted, since_ms, patience_s)
    finally:
        for file in files.values():
            lab.remove(bucket, (_key(file), _answer_key(file)))
    for name, file in files.items():
        yield _judged(name, file, data[name], answers.get(name))


def _answers(
    lab: LabView, bucket: str, functions: list[str], wanted: dict[str, str], since_ms: int,
    patience_s: float,
) -> dict[str, bytes]:  # fmt: skip
    """What stands at the keys of `wanted`: when all is there, or nothing more is to come."""
    answers: dict[str, bytes] = {}
    invocations = len(wanted) * len(functions)
    deadline = time.monotonic() + patience_s
    while True:
        # Asked before the answers: what an invocation wrote, it wrote before it ended.
        ended = sum(lab.ended(one, since_ms) for one in functions)
        is_last = ended >= invocations or time.monotonic() >= deadline
        for name, key in wanted.items():
            if name not in answers and (answer := lab.get(bucket, key)) is not None:
                answers[name] = answer
        if is_last or len(answers) == len(wanted):
            return answers
        time.sleep(POLL_S)  # between polls: a bucket tells nobody but functions


def _judged(name: str, file: str, data: bytes, answer: bytes | None) -> ConditionSeen:
    answer_key = _answer_key(file)
    if answer is None:
        return ConditionSeen(name, False, f"{_key(file)} was put; {answer_key} did not come")
    try:
        said = json.loads(answer)
    except ValueError:
        return ConditionSeen(name, False, f"{answer_key} is no JSON")
    if not isinstance(said, dict):
        return ConditionSeen(name, False, f"{answer_key} is no JSON object")
    right = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    wrong = [one for one, value in right.items() if said.get(one) != value]
    told = f"{answer_key}: {', '.join(wrong)} wrong" if wrong else f"{answer_key} is right"
    return ConditionSeen(name, not wrong, told)


def _key(file: str) -> str:
    return f"in/{file}"


def _answer_key(file: str) -> str:
    return f"out/{file}.json"
