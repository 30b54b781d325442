"""`make mutate`: which changes it makes, whose business they are, and how they are counted."""

import json

import pytest

from scripts.develop.mutation import measuring
from scripts.develop.mutation.changes import Change, Outline, changes_of
from scripts.develop.mutation.guards import text_of_test
from scripts.develop.mutation.measuring import Measurement, Tried
from scripts.develop.mutation.places import PLACES, NoSuchPlace, Place, chosen
from scripts.develop.mutation.reach import Reach
from scripts.develop.mutation.reasons import BadEntry, Reason, read_reasons, reason_of, stale
from scripts.develop.mutation.report import MutationReport
from scripts.paths import ROOT

SOURCE = """from __future__ import annotations

LIMIT = 32 * 2**20


class Gate:
    def opens(self, age: int | None, name: str, *more: int | None) -> bool:
        LOG.info("asked")
        if age is None or name in ("a", "b"):
            raise ValueError(f"{age + 1} is nothing")
        self.ring()
        return age >= 18
"""


def one(before: str, after: str, where: str = "f", file: str = "a.py") -> Change:
    return Change(file, 0, 1, "", 1, where, before, after)


def test_changes_are_faults_and_leave_out_types_messages_and_named_numbers():
    found = {change.after for change in changes_of("gate.py", SOURCE)}
    assert found == {
        'if age is not None or name in ("a", "b"):',
        'if age is None and name in ("a", "b"):',
        'if age is None or name not in ("a", "b"):',
        'if not age is None or name in ("a", "b"):',
        "None",
        "return age > 18",
        "return age < 18",
        "return age >= 19",
        "return age >= 17",
    }
    assert {change.where for change in changes_of("gate.py", SOURCE)} == {"Gate.opens"}


def test_each_error_that_is_caught_is_caught_no_more_also_one_of_a_module():
    source = (
        "try:\n    x()\nexcept (socket.timeout, OSError) as e:\n    y(e)\nexcept a.B:\n    z()\n"
    )
    found = {change.after for change in changes_of("a.py", source)}
    assert {line.replace("CosmicRayTestingException", "?") for line in found} >= {
        "except (?, OSError) as e:",
        "except (socket.timeout, ?) as e:",
        "except ?:",
    }


def test_a_line_of_a_function_is_its_statement_and_one_that_importing_runs_is_the_whole_file():
    outline = Outline(SOURCE)
    assert outline.lines_run(3) is None
    assert list(outline.lines_run(9)) == [9]
    assert list(outline.lines_run(12)) == [12]


def test_which_arguments_must_be_named_is_no_fault_of_a_program():
    source = "def f(a, *, b=3):\n    return a * b\n"
    found = {change.after for change in changes_of("a.py", source)}
    assert found == {"return a / b"}


CREDENTIALS = "tests/unit/cloud/test_credentials.py::"
SHOWN, READ = f"{CREDENTIALS}test_shown", f"{CREDENTIALS}test_read"
REACH = Reach(
    {"cloud/credentials.py": {50: [READ], 60: []}}, {"cloud/credentials.py": {30}},
    {SHOWN: 1.0, READ: 2.0, "tests/unit/cloud/test_causes.py::test_other": 0.1},
)  # fmt: skip


@pytest.mark.parametrize(
    ("lines", "keeps_results", "tests"),
    [
        (range(50, 51), False, [READ]),
        (range(60, 61), False, []),
        (range(60, 61), True, [SHOWN, READ]),  # it ran once, for whichever test came first
        (range(30, 31), False, [SHOWN, READ]),
        (None, False, [SHOWN, READ]),  # also a test of what Python wrote, as a dataclass's repr
    ],
)
def test_what_is_run_once_is_the_business_of_all_tests_that_use_the_file(
    lines, keeps_results, tests
):
    assert REACH.tests("cloud/credentials.py", lines, keeps_results=keeps_results) == tests


@pytest.mark.parametrize(
    ("decorator", "keeps"),
    [("@cache", True), ("@functools.lru_cache(2)", True), ("@property", False)],
)
def test_a_file_says_whether_its_functions_keep_their_results(decorator, keeps):
    assert Outline(f"{decorator}\ndef f():\n    return 1\n").keeps_results is keeps


TESTS = """import os
LIMIT = 3
def helper(): return LIMIT
@mark([1])
def test_a(): assert helper()
def test_b(): assert helper() == LIMIT
class TestBoth:
    def one(self): return 1
    def test_a(self): assert self.one()
    def test_c(self): assert self.one() == 1
class TestOther:
    def test_a(self): assert os
"""


@pytest.mark.parametrize(
    ("test", "change", "stands"),
    [
        ("test_a[1]", ("helper() == LIMIT", "helper() == 3"), True),
        ("test_a[1]", ("assert os", "assert not os"), True),
        ("test_a[1]", ("def test_b", "def test_new(): pass\ndef test_b"), True),
        ("test_a[1]", ("assert helper()\n", "assert not helper()\n"), False),
        ("test_a[1]", ("@mark([1])", "@mark([2])"), False),
        ("test_a[1]", ("return LIMIT", "return 3"), False),
        ("TestBoth::test_a", ("self.one() == 1", "self.one() == 2"), True),
        ("TestBoth::test_a", ("assert self.one()\n", "assert self\n"), False),
        ("TestBoth::test_a", ("return 1", "return 2"), False),
        ("TestBoth::test_a", ("assert helper()\n", "assert not helper()\n"), True),
    ],
)
def test_what_a_test_noticed_stands_as_long_as_it_and_its_helpers(test, change, stands):
    before, after = (
        text_of_test(text, f"a.py::{test}") for text in (TESTS, TESTS.replace(*change))
    )
    assert (before == after) == stands


@pytest.mark.parametrize(
    ("changed", "asked"),
    [
        ("", []),
        ("tests/unit/cloud/test_credentials.py", [SHOWN, READ]),
        ("tests/unit/cloud/test_causes.py", ["tests/unit/cloud/test_causes.py::test_other"]),
        ("tests/fakes/blackhole.py", [*REACH.seconds]),  # what tests share
    ],
)
def test_what_survived_is_tried_by_those_tests_alone_that_are_not_what_they_were(
    tmp_path, monkeypatch, changed, asked
):
    monkeypatch.setattr(measuring, "KEPT", tmp_path)
    measurement = Measurement(Place("cloud", ("tests/unit/cloud",)), 1)
    then = {name: "" if name == changed else text for name, text in measurement._texts.items()}
    survived = one("x", "y")
    measurement._kept[measuring._key(survived, "x")] = {"texts": json.dumps(then)}
    assert measurement._not_asked(survived, "x", [*REACH.seconds], REACH) == asked


def equal(before: str, after: str, why: str = "it is", file: str = "a.py") -> Reason:
    return Reason(file, "f", before, after, why, is_equal=True)


def left(where: str = "", before: str = "", after: str = "") -> Reason:
    return Reason("a.py", where, before, after, "it costs too much", is_equal=False)


def test_equal_changes_count_neither_way_and_a_noticed_one_is_no_excuse():
    report = MutationReport()
    for status in ("killed", "survived", "untested", "not run"):
        report.add("a", Tried(one("x", status), status), None)
    report.add("a", Tried(one("x", "y"), "survived"), equal("x", "y"))
    report.add("a", Tried(one("x", "z"), "killed"), equal("x", "z"))
    shown = report.as_json()["places"]["a"]
    assert shown == {
        "changes": 6, "killed": 2, "survived": 1, "untested": 1, "equal": 1, "not_run": 1,
        "without_reason": 2, "score": 50.0,
    }  # fmt: skip
    assert report.too_low(is_of_changed_files=False) == ["a"]
    assert "not noticed" in report.as_text()


def test_what_is_left_counts_and_stands_there_with_its_reason():
    report = MutationReport()
    for after, reason in (("y", left("f")), ("z", None)):
        report.add("a", Tried(one("x", after), "survived"), reason)
    assert report.places["a"].score == 0
    assert report.without_reason == report.places["a"].without_reason == 1
    assert [each["reason"] for each in report.as_json()["survivors"]] == ["it costs too much", ""]
    assert "1 without a reason" in report.as_text()
    assert "because: it costs too much" in report.as_text()


def test_of_changed_files_what_has_a_reason_outweighs_nothing():
    report = MutationReport()
    report.add("a", Tried(one("x", "y"), "killed"), None)
    report.add("a", Tried(one("x", "z"), "survived"), left("f"))
    assert report.too_low(is_of_changed_files=False) == ["a"]
    assert report.too_low(is_of_changed_files=True) == []
    report.add("a", Tried(one("x", "v"), "survived"), None)
    assert report.too_low(is_of_changed_files=True) == ["a"]


def test_a_reason_is_of_one_change_of_a_function_or_of_a_file():
    change, other = one("x", "y"), one("x", "y", where="g")
    assert reason_of(change, [left("g"), left()]) == left()
    assert reason_of(change, [left("f", "x", "y"), left()]) == left("f", "x", "y")
    assert reason_of(other, [left("f", "x", "y"), left("f")]) is None
    assert reason_of(one("x", "y", file="b.py"), [left()]) is None


def test_an_entry_of_a_change_that_is_gone_or_noticed_is_told_of():
    there = one("a < b", "a <= b")
    entries = [
        equal("a < b", "a <= b"),
        equal("a > b", "a >= b"),
        equal("c", "d", file="other.py"),
    ]
    gone = "a.py f: a > b ▸ a >= b is no change of that file any more"
    assert stale(entries, [there], [Tried(there, "survived")]) == [gone]
    noticed = stale(entries[:1], [there], [Tried(there, "killed")])
    assert noticed == ["a.py f: a < b ▸ a <= b is noticed by a test, so it needs no reason"]
    twins = [Tried(there, "killed"), Tried(there, "survived")]
    assert stale(entries[:1], [there], twins) == []
    both = [there, one("a < b", "a > b")]
    tried = [Tried(both[0], "killed"), Tried(both[1], "survived")]
    assert stale([left("f"), left()], both, tried) == []
    assert stale([left("g")], both, tried) == ["a.py g is no change of that file any more"]


@pytest.mark.parametrize(
    "entry",
    [
        "{in: f, before: a, after: b}",
        "{in: f, before: a, left: why}",
        "{in: f, equal: all of it}",
        "{before: a, after: b, equal: one, left: other}",
    ],
)
def test_an_entry_without_a_reason_is_refused(tmp_path, entry):
    file = tmp_path / "reasons.yaml"
    file.write_text(f"a.py:\n- {entry}\n")
    with pytest.raises(BadEntry, match=r"a\.py"):
        read_reasons(file)


def test_the_committed_list_names_only_changes_that_can_be_made():
    reasons = read_reasons()
    places = {file: place for place, file in chosen([])}
    files = {reason.file for reason in reasons}
    there = [change for file in files for change in Measurement(places[file], 1).changes(file)]
    assert stale(reasons, there, []) == []


def test_every_place_and_its_tests_are_there():
    for place in PLACES:
        assert place.files(), place.folder
        assert all((ROOT / test).exists() for test in place.tests)
        assert all((ROOT / path).exists() for path in place.left_out), place.folder


def test_what_is_not_measured_says_why():
    with pytest.raises(NoSuchPlace, match="hardware"):
        list(chosen(["device/sources/webcam.py"]))
    with pytest.raises(NoSuchPlace, match="nothing to measure"):
        list(chosen(["contract", "contrat"]))
    assert {file for _, file in chosen(["contract/clips.py"])} == {"contract/clips.py"}
    assert Place("contract", ()).files() == [file for _, file in chosen(["contract/"])]
