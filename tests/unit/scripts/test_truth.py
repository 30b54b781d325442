import pytest

from contract.results import Box, Face, Identity, Person, Result, Status
from scripts.e2e.truth import ClipTruth, Comparison, ShownResult
from scripts.percentiles import percentiles


def identity(name: str | None) -> Identity:
    if name is None:
        return Identity(Status.UNKNOWN, 0.1)
    return Identity(Status.RECOGNIZED, 0.9, 0.4, Person(name, name, "", ""))


def answer(*faces: tuple[str | None, str | None]) -> ShownResult:
    found = tuple(
        Face(Box(0, 1, 1, 0), 1.0, 1, 1.0, 1, Status.RECOGNIZED, None, identity(online),
             identity(custom), online == custom)
        for online, custom in faces
    )  # fmt: skip
    return ShownResult(Result("c", "lab", "k", Status.RECOGNIZED, faces=found), 100.0, 600.0)


TRUTH = [
    ClipTruth(0, ("ada",), 0, ()),
    ClipTruth(1, (), 0, ()),
    ClipTruth(2, (), 1, ()),
    ClipTruth(3, ("ada", "bob"), 0, ()),
]
GOOD = {
    0: answer(("ada", "ada")),
    1: answer(),
    2: answer((None, None)),
    3: answer(("ada", "ada"), ("bob", None)),
}


def test_good_run_has_no_failures():
    run = Comparison(TRUTH, GOOD, 0)
    assert run.failures() == []
    assert (run.correct("online"), run.correct("custom")) == (1, 1)


@pytest.mark.parametrize(
    ("changed", "duplicates", "expected"),
    [
        ({1: None}, 0, "1 clips went unanswered: 1"),
        ({}, 1, "1 results were shown twice"),
        ({2: answer(("ada", None))}, 0, "wrong name: clip 2 (a stranger): online said ada"),
        ({1: answer((None, "bob"))}, 0, "wrong name: clip 1 (nobody): custom said bob"),
        ({0: answer((None, "ada"))}, 0, "online model right on 0 of 1 single-person clips"),
    ],
)
def test_each_fault_is_named(changed, duplicates, expected):
    answers = {k: v for k, v in (GOOD | changed).items() if v}
    (failure,) = Comparison(TRUTH, answers, duplicates).failures()
    assert failure.startswith(expected)


def test_percentiles_are_nearest_rank():
    assert percentiles(range(1, 101)) == {"p50": 50.5, "p95": 95, "max": 100}
    assert percentiles([7.0]) == {"p50": 7.0, "p95": 7.0, "max": 7.0}
    assert percentiles([]) is None
