"""`make lint`: every check runs, whatever fails before, and a failure is its end."""

from __future__ import annotations

import sys

import pytest

from scripts.cli import lint


def check(text: str, status: int) -> tuple[str, ...]:
    return sys.executable, "-c", f"print({text!r}); raise SystemExit({status})"


@pytest.mark.parametrize("failing", ["first", "second", "last"])
def test_a_check_that_fails_is_named_and_the_others_run(failing, monkeypatch, capsys):
    names = ("first", "second", "last")
    checks = {name: check(f"{name} ran", int(name == failing)) for name in names}
    monkeypatch.setattr(lint, "CHECKS", checks)
    assert lint.main([]) == 1
    out, err = capsys.readouterr()
    assert out.splitlines() == [f"{name} ran" for name in names]
    assert f"failed: {failing}" in err


def test_without_a_failure_it_ends_well(monkeypatch):
    monkeypatch.setattr(lint, "CHECKS", {"one": check("fine", 0)})
    assert lint.main([]) == 0


def test_style_types_imports_and_templates_are_looked_at():
    programs = [" ".join(command) for command in lint.CHECKS.values()]
    for program in (
        "ruff check .",
        "ruff format --check .",
        "-m mypy",
        "check_imports",
        "cfn-lint",
    ):
        assert any(program in one for one in programs), program
