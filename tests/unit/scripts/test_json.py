"""With --json standard output is one document (or one a line, from what goes on), nothing else."""

from __future__ import annotations

import json
import sys
from types import SimpleNamespace

import pytest

from cloud.switch import read_switch
from scripts.cli import check_imports, dashboard, env, figures, function_log, lab, lint, script
from scripts.functions import using, watching


@pytest.fixture
def document(capfd):
    """What was printed, read as one document."""
    return lambda: json.loads(capfd.readouterr().out)


@pytest.fixture
def switch(monkeypatch):
    made = read_switch({"FACELAB_BACKEND": "embedded", "FACELAB_PORT": "4700"})
    for module in (env, dashboard, script, lab):
        monkeypatch.setattr(module, "read_switch", lambda: made)
    return made


def test_env_is_an_object_of_variables(switch, document):
    assert env.main(["--json"]) == 0
    assert document()["AWS_ENDPOINT_URL"] == "http://127.0.0.1:4700"


def test_what_a_script_prints_goes_beside_the_document(switch, tmp_path, capfd):
    program = tmp_path / "program.py"
    program.write_text("import sys\nprint('hello', *sys.argv[1:])\nsys.exit(7)\n")
    assert script.main(["--json", str(program), "--json"]) == 7
    out, err = capfd.readouterr()
    told = json.loads(out)
    assert (told["file"], told["exit_code"]) == (str(program), 7)
    assert err == "hello --json\n"


def test_the_dashboard_says_in_one_line_where_it_is(switch, monkeypatch, capfd):
    monkeypatch.setattr(dashboard, "serve", lambda switch, one: None)
    assert dashboard.main(["--json"]) == 0
    (line,) = capfd.readouterr().out.splitlines()
    assert json.loads(line)["url"].startswith("http://127.0.0.1:")


def test_lint_has_what_each_check_said(monkeypatch, document):
    def check(text: str, status: int) -> tuple[str, ...]:
        return sys.executable, "-c", f"print({text!r}); raise SystemExit({status})"

    monkeypatch.setattr(lint, "CHECKS", {"style": check("ugly", 1), "types": check("fine", 0)})
    assert lint.main(["--json"]) == 1
    assert document() == [
        {"check": "style", "ok": False, "output": "ugly\n"},
        {"check": "types", "ok": True, "output": "fine\n"},
    ]


@pytest.mark.parametrize(("text", "faults"), [("", 0), ("from scripts import paths\n", 1)])
def test_check_imports_has_each_fault(tmp_path, document, text, faults):
    for name, content in (
        ("device/a.py", text),
        ("scripts/__init__.py", ""),
        ("scripts/paths.py", ""),
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    assert check_imports.main(["--root", str(tmp_path), "--json"]) == faults
    told = document()
    assert (told["modules"], len(told["faults"])) == (3, faults)


def test_figures_lists_every_run_with_its_command(document):
    assert figures.main(["--list", "--json"]) == 0
    rows = {row["name"]: row for row in document()}
    assert set(rows) == set(figures.RUNS)
    assert rows["loop"]["command"] == figures.RUNS["loop"].command


def test_figures_names_the_documents_that_it_made_anew(monkeypatch, tmp_path, document):
    kept = tmp_path / "figures.json"
    kept.write_text("{}")
    monkeypatch.setattr(figures, "FIGURES", kept)
    monkeypatch.setattr(figures, "documents", list)
    assert figures.main(["--json"]) == 0
    assert document() == {"kept": [], "made_anew": []}


class Backend:
    """A lab that is up, and can be stopped."""

    name = "embedded"

    def is_up(self) -> bool:
        return True

    def stop(self) -> None:
        pass

    def emulator_log(self, lines: int) -> str:
        return f"first of {lines}\nsecond"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["up"], {"emulator": "up"}),
        (["deploy"], {"emulator": "up"}),
        (["down"], {"emulator": "down"}),
    ],
)
def test_what_starts_and_stops_a_lab_says_where_it_is(
    switch, monkeypatch, document, arguments, told
):
    monkeypatch.setattr(lab, "choose_backend", lambda *_: Backend())
    for name in ("up", "deploy"):
        monkeypatch.setattr(f"scripts.lab.deployment.{name}", lambda *_, **__: None)
    assert lab.main([*arguments, "--json"]) == 0
    where = {"backend": "embedded", "endpoint": "http://127.0.0.1:4700"}
    assert document() == {**where, **told}


def test_the_emulators_log_is_a_list_of_lines(switch, monkeypatch, document):
    monkeypatch.setattr(lab, "choose_backend", lambda *_: Backend())
    assert lab.main(["logs", "--emulator", "--lines", "2", "--json"]) == 0
    assert document() == ["first of 2", "second"]


@pytest.mark.parametrize("action", ["snapshot", "restore", "reset"])
def test_what_changes_a_labs_contents_says_what_there_is(
    switch, monkeypatch, document, tmp_path, action
):
    held = SimpleNamespace(objects=["a", "b"], people=["ada"], devices=["lab"])
    monkeypatch.setattr(lab, "choose_backend", lambda *_: Backend())
    for name in ("take", "restore"):
        monkeypatch.setattr(f"scripts.lab.snapshots.{name}", lambda *_: held)
    monkeypatch.setattr("scripts.lab.snapshots.reset", lambda *_: 1.23)
    path = str(tmp_path / "one.zip")
    assert lab.main([action, *([] if action == "reset" else [path]), "--json"]) == 0
    counted = {"file": path, "objects": 2, "people": 1, "devices": ["lab"]}
    assert document() == ({"took_s": 1.2} if action == "reset" else counted)


LINES = [{"time_ms": 1, "message": "one\n"}, {"time_ms": 2, "message": "two\x1b\n"}]


@pytest.mark.parametrize("follow", [False, True])
def test_a_log_is_a_list_and_while_it_is_followed_an_object_a_line(monkeypatch, capfd, follow):
    monkeypatch.setattr(using, "said", lambda *_: iter(LINES))
    options = SimpleNamespace(json=True, follow=follow, since=60.0)
    function_log.print_log(read_switch({}), "mine", options)
    out = capfd.readouterr().out
    told = [json.loads(line) for line in out.splitlines()] if follow else json.loads(out)
    assert told == LINES


def test_a_watched_folder_tells_of_each_code_that_is_live(monkeypatch, tmp_path):
    """What can't be built is no event."""
    refused = [None, watching.LabError("no such package"), None]

    def reload(self: object) -> None:
        if error := refused.pop(0):
            raise error

    monkeypatch.setattr(watching, "find", lambda *_: None)
    monkeypatch.setattr(watching.Reloader, "reload", reload)
    told: list[dict] = []
    saved = [set(), {"broken.py"}, set(), {"b.py", "a.py"}]
    watching.watch_folder(
        SimpleNamespace(client=lambda _: None), "mine", tmp_path, None, lambda text: None,
        saved=saved, deployed=told.append,
    )  # fmt: skip
    assert [one["files"] for one in told] == [[], ["a.py", "b.py"]]
    assert {one["function"] for one in told} == {"mine"}
