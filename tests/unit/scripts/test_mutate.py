"""`make mutate`: how tests are run against a change, in which order, and how a run ends."""

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
from scripts.develop.mutation.changes import Change
from scripts.develop.mutation.forks import Job
from scripts.develop.mutation.loaded import NotLoaded, _change, exchange, exchanged
from scripts.develop.mutation.measuring import Measurement, Tried, tried_in_rounds
from scripts.develop.mutation.places import PLACES, Place
from scripts.paths import ROOT
from tests.conftest import wait_until

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


def one(before: str, after: str, where: str = "f", file: str = "a.py") -> Change:
    return Change(file, 0, 1, "", 1, where, before, after)


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
