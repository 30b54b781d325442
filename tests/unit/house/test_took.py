"""The line that says how long the tests will take."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from tests import took


@pytest.mark.parametrize("kept", [None, "{", "[]", '{"a": "long"}'])
def test_those_that_never_ran_here_have_no_estimate(tmp_path, kept):
    file = tmp_path / "took.json"
    if kept is not None:
        file.write_text(kept)
    assert took.estimate(["a", "b"], file) == ""


def test_tests_are_expected_to_take_as_long_as_the_last_time(tmp_path):
    file = tmp_path / "took.json"
    took.keep({"a": 100.0, "b": 140.0}, file)
    took.keep({"b": 200.0}, file)
    assert took.estimate(["a", "b"], file) == "2 tests: about 5 minutes, as the last time"
    told = took.estimate(["a", "b", "c"], file)
    assert told == "3 tests, 1 of them new: about 8 minutes, as the last time"


def test_what_takes_a_moment_needs_no_estimate(tmp_path):
    file = tmp_path / "took.json"
    took.keep({"a": 0.1, "b": 50.0}, file)
    assert took.estimate(["a"], file) == ""
    assert took.estimate(["b"], file) == "1 test: about 50 seconds, as the last time"


def test_each_run_keeps_what_it_took_for_the_next(tmp_path):
    file = tmp_path / "took.json"
    item = SimpleNamespace(nodeid="a")
    plugin = took.Took(file)

    def told(plugin: took.Took, verbosity: int = 0) -> str | list[str]:
        config = SimpleNamespace(get_verbosity=lambda: verbosity)
        return plugin.pytest_report_collectionfinish(config, [item])  # type: ignore[arg-type, list-item]

    assert told(plugin) == []
    for phase_s in (1.0, 200.0, 1.0):
        report = SimpleNamespace(passed=True, nodeid="a", duration=phase_s)
        plugin.pytest_runtest_logreport(report)  # type: ignore[arg-type]
    plugin.pytest_sessionfinish()
    assert told(took.Took(file)) == "1 test: about 3 minutes, as the last time"
    assert told(took.Took(file), verbosity=-1) == []
