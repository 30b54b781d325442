"""`make mutate`: which changes it makes, what it makes of statuses, what it does without a base."""

import gc
import json
import subprocess
import sys
import time
from pathlib import Path
from types import FunctionType

import pytest

from scripts.cli.mutate import main
from scripts.develop.mutation import measuring
from scripts.develop.mutation.changed import changed_files
from scripts.develop.mutation.changes import Change, Outline, changes_of
from scripts.develop.mutation.forks import Job
from scripts.develop.mutation.guards import text_of_test
from scripts.develop.mutation.loaded import NotLoaded, _change, exchange, exchanged
from scripts.develop.mutation.measuring import Measurement, Tried, tried_in_rounds
from scripts.develop.mutation.places import PLACES, NoSuchPlace, Place, chosen
from scripts.develop.mutation.reach import Reach
from scripts.develop.mutation.reasons import BadEntry, Reason, read_reasons, reason_of, stale
from scripts.develop.mutation.report import MutationReport
from scripts.paths import ROOT
from tests.conftest import wait_until

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


CLIPS = (ROOT / "contract" / "clips.py").read_text()
SURVIVES = "tests/unit/contract/test_clips.py::test_metadata_survives_s3"
MISNAMED = CLIPS.replace('"sequence": str(', '"squence": str(')


def outcomes_of(jobs: list[dict], *options: str) -> dict[int, dict]:
    usual = {"tests": [SURVIVES], "limit_s": 60, "file": "contract/clips.py"}
    lines = [json.dumps({**usual, **job, "number": number}) for number, job in enumerate(jobs, -1)]
    done = subprocess.run(
        [sys.executable, "-m", "scripts.develop.mutation.worker", "2", *options],
        cwd=ROOT, input="\n".join(lines), capture_output=True, text=True, timeout=240, check=True,
    )  # fmt: skip
    outcomes = {one["number"]: one for one in map(json.loads, done.stdout.splitlines())}
    assert len(outcomes) == len(jobs), done.stderr
    return outcomes


def test_only_the_forked_child_sees_the_changed_file():
    missing = f"{SURVIVES}_which_is_not_there"
    jobs = [
        {"source": CLIPS}, {"source": MISNAMED}, {"source": f"{CLIPS}broken("},
        {"source": CLIPS, "tests": [missing]}, {"source": CLIPS, "limit_s": 0},
    ]  # fmt: skip
    outcomes = outcomes_of(jobs)
    statuses = [outcomes[number]["status"] for number in range(-1, 4)]
    assert statuses == ["passed", "failed", "failed", "failed", "unsure"], outcomes
    assert outcomes[0]["failed_test"] == SURVIVES
    assert (ROOT / "contract" / "clips.py").read_text() == CLIPS


def test_a_child_of_collected_tests_sees_changed_functions_and_leaves_the_rest_to_an_import():
    jobs = [
        {"source": CLIPS}, {"source": MISNAMED}, {"source": f"{CLIPS}broken("},
        {"source": f"{CLIPS}MORE = 1\n"}, {"source": CLIPS, "tests": [f"{SURVIVES}_not"]},
        {"source": CLIPS, "limit_s": 0}, {"source": CLIPS},
    ]  # fmt: skip
    outcomes = outcomes_of(jobs, "--collected")
    statuses = [outcomes[number]["status"] for number in range(-1, 6)]
    assert statuses == [
        "passed", "failed", "not loaded", "not loaded", "broken", "unsure", "passed"
    ], outcomes  # fmt: skip
    assert outcomes[0]["failed_test"] == SURVIVES


def test_a_change_of_a_file_that_only_a_test_imports_is_left_to_an_import():
    kept = (ROOT / "lambda" / "handler.py").read_text()
    changed = kept.replace("_invocations += 1", "_invocations -= 1")
    assert changed != kept
    with pytest.raises(NotLoaded):
        _change(Job(0, [], 60, "lambda/handler.py", changed), {})


def test_a_change_that_hangs_is_noticed():
    endless = CLIPS.replace('"sequence": str(', '"sequence": any(0 for _ in iter(int, 1)) or str(')
    outcomes = outcomes_of(
        [{"source": CLIPS}, {"source": endless, "test_limits_s": {SURVIVES: 2}}], "--collected"
    )
    assert (outcomes[0]["status"], outcomes[0]["failed_test"]) == ("failed", SURVIVES)


def test_a_deadline_that_passes_without_the_change_too_is_no_verdict(tmp_path):
    test = tmp_path / "test_busy.py"
    test.write_text("import time\n\ndef test_busy():\n    time.sleep(1.1)\n    assert False\n")
    jobs = [{"source": CLIPS}, {"source": MISNAMED, "tests": [f"{test}::test_busy"]}]
    outcomes = outcomes_of(jobs)
    assert (outcomes[-1]["status"], outcomes[0]["status"]) == ("passed", "unsure")


def test_what_failed_late_and_not_again_is_no_verdict(tmp_path):
    """On a busy machine a deadline passes once, and not where the test runs alone."""
    test, seen = tmp_path / "test_busy.py", tmp_path / "seen"
    test.write_text(
        "import pathlib, time\n\ndef test_busy():\n    time.sleep(1.1)\n"
        f"    seen = pathlib.Path({str(seen)!r})\n    was_seen = seen.exists()\n"
        "    seen.touch()\n    assert was_seen\n"
    )
    jobs = [{"source": CLIPS}, {"source": MISNAMED, "tests": [f"{test}::test_busy"]}]
    assert outcomes_of(jobs)[0]["status"] == "passed"


def test_what_an_earlier_run_had_loaded_is_loaded_for_all(tmp_path):
    test = tmp_path / "test_loaded.py"
    test.write_text("import sys\n\ndef test_loaded():\n    assert 'colorsys' in sys.modules\n")
    known = tmp_path / "known.json"
    known.write_text(json.dumps({"packages": ["colorsys", "no_such_package"]}))
    jobs = [{"tests": [f"{test}::test_loaded"], "file": ""}] * 2
    assert {one["status"] for one in outcomes_of(jobs).values()} == {"failed"}
    outcomes = outcomes_of(jobs, str(known))
    assert {one["status"] for one in outcomes.values()} == {"passed"}
    assert {"colorsys", "pytest"} <= {*outcomes[-1]["packages"]}


LOADED = """import functools
LIMIT = 3
def plain(x): return x + 1
def outer(y):
    def inner(x): return x + y
    return inner
class Box:
    @property
    def width(self): return 2 + 1
    @functools.lru_cache
    def height(self, x): return [x + one for one in range(3)]
TABLE = {"a": lambda x: x + 1, "b": lambda x: x + 2}
"""


def loaded(before: str, after: str) -> dict:
    """The names of the module LOADED after a change of it."""
    names: dict = {}
    exec(compile(LOADED, "loaded.py", "exec"), names)  # noqa: S102
    held = {"inner": names["outer"](10), "plain": names["plain"]}
    assert before in LOADED
    live = [one for one in gc.get_objects() if isinstance(one, FunctionType)]
    ours = [one for one in live if one.__globals__ is names]
    exchange(ours, list(exchanged(LOADED, LOADED.replace(before, after), "loaded.py")))
    return names | held


@pytest.mark.parametrize(
    ("before", "after", "asked", "said"),
    [
        ("return x + 1", "return x - 1", "plain(5)", 4),
        ("return x + y", "return x - y", "inner(1)", -9),  # made before the change
        ("return x + y", "return x - y", "outer(2)(1)", -1),
        ("2 + 1", "2 - 1", "Box().width", 1),
        ("[x + one", "[x - one", "Box().height(5)", [5, 4, 3]),
        ("x: x + 1", "x: x - 1", "[TABLE['a'](0), TABLE['b'](0)]", [-1, 2]),
    ],
)
def test_what_is_loaded_does_what_the_changed_text_says(before, after, asked, said):
    assert eval(asked, loaded(before, after)) == said  # noqa: S307


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("LIMIT = 3", "LIMIT = 4"),
        ("(x): return x + 1", "(x, z=1): return x + 1"),  # defaults are the module's to make
        ("return x + y", "return x"),  # closes over nothing
    ],
)
def test_what_only_an_import_shows_is_left_to_one(before, after):
    with pytest.raises(NotLoaded):
        loaded(before, after)


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


def git(root, *arguments: str) -> None:
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.org")
    subprocess.run(["git", *identity, *arguments], cwd=root, check=True, capture_output=True)


def test_a_clone_without_the_base_compares_with_nothing(tmp_path, capsys):
    git(tmp_path, "init", "-q", "-b", "work")
    (tmp_path / "a.py").write_text("1")
    git(tmp_path, "add", "a.py")
    git(tmp_path, "commit", "-qm", "one")
    assert changed_files("origin/main", tmp_path) is None
    (tmp_path / "b ü.py").write_text("2")
    (tmp_path / "a.py").write_text("3")
    assert changed_files("work", tmp_path) == {"a.py", "b ü.py"}
    assert main(["--changed", "no-such-commit"]) == 0
    assert "nothing to do" in capsys.readouterr().err


def test_a_run_that_is_told_to_end_leaves_no_child_and_no_complaint(tmp_path):
    test = tmp_path / "test_waits.py"
    pid = tmp_path / "pid"
    test.write_text(
        "import os, pathlib, threading\n"
        "def test_waits():\n"
        f"    pathlib.Path({str(pid)!r}).write_text(str(os.getpid()) + ' ')\n"
        "    threading.Event().wait(60)\n"
    )
    job = {"number": 1, "limit_s": 60, "tests": [str(test)]}
    command = [sys.executable, "-m", "scripts.develop.mutation.worker", "1"]
    with subprocess.Popen(
        command, cwd=ROOT, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as forks:  # fmt: skip
        forks.stdin.write(json.dumps(job))
        forks.stdin.close()
        wait_until(lambda: pid.exists() and pid.read_text().endswith(" "), 60, "the test")
        forks.stdout.close()
        forks.terminate()
        assert forks.wait(30) == 0
        assert forks.stderr.read() == ""
    child = int(pid.read_text())
    wait_until(lambda: not Path(f"/proc/{child}").exists(), 10, "the child's end")


def test_the_tests_that_import_a_changed_file_come_first_and_what_they_let_live_gets_all():
    place = next(one for one in PLACES if one.folder == "device")
    near = place.near(["device/backoff.py"])
    assert "tests/unit/device/test_link.py" in near.tests
    assert {*near.tests} < {*place.test_files()}
    assert place.near(["device/no_such.py"]).tests == ()

    class Round:
        def __init__(self, **statuses: str) -> None:
            self._statuses = statuses
            self.asked: list[str] = []

        def tried(self, changes):
            self.asked += [change.after for change in changes]
            yield from (Tried(change, self._statuses[change.after]) for change in changes)

    changes = [one("x", after) for after in ("noticed", "lives", "nobody")]
    first = Round(noticed="killed", lives="survived", nobody="untested")
    last = Round(lives="killed", nobody="survived")
    statuses = {it.change.after: it.status for it in tried_in_rounds([first, last], changes)}
    assert statuses == {"noticed": "killed", "lives": "killed", "nobody": "survived"}
    assert last.asked == ["lives", "nobody"]


def test_what_still_runs_when_time_is_up_is_ended_also_before_the_first_change(
    tmp_path, monkeypatch
):
    test = tmp_path / "test_waits.py"
    test.write_text("import threading\n\ndef test_waits():\n    threading.Event().wait(60)\n")
    job = {"number": 1, "limit_s": 60, "tests": [str(test)]}
    began = time.monotonic()
    assert list(measuring._forked([job], 1, began + 3)) == []
    # Over before the process has read what it is to do, which is more than a pipe holds.
    assert list(measuring._forked([{**job, "source": "#" * 2**20}] * 2, 1, began)) == []
    monkeypatch.setattr(measuring, "KEPT", tmp_path / "kept")
    measurement = Measurement(Place("cloud", ("tests/unit/cloud",)), 1, began)
    changes = [one("x", "y", file="cloud/switch.py"), one("x", "z", file="cloud/switch.py")]
    assert [it.status for it in measurement.tried(changes)] == ["not run", "not run"]
    assert time.monotonic() - began < 30


def test_of_several_files_of_tests_at_once_each_line_has_its_tests(tmp_path, monkeypatch):
    monkeypatch.setattr(measuring, "KEPT", tmp_path)
    tests = ("tests/unit/cloud/test_causes.py", "tests/unit/cloud/test_credentials.py")
    reach = Measurement(Place("cloud", tests), 2).reach()
    assert reach.files == {*tests}
    by_file = {
        test.partition("::")[0] for line in reach.lines["cloud/credentials.py"].values()
        for test in line
    }  # fmt: skip
    assert by_file == {"tests/unit/cloud/test_credentials.py"}
    assert reach.imported["cloud/credentials.py"]
