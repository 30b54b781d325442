"""Command lines of the lab stand in `scripts/cli`, and each of them is a task of `facelab`."""

import ast
import re
import subprocess
from collections.abc import Iterator

import pytest

from device.console import fail
from device.crew import FAULT_STATUS
from scripts.cli import facelab
from scripts.cli.facelab import TASKS
from scripts.develop.imports import Tree
from scripts.paths import ROOT

# Programs that one of ours starts as a process of its own. Their arguments are no person's: they
# are read by place, or come as one JSON object.
WORKERS = {
    "scripts.bench.handler_worker": "`facelab bench-handler`, in the training environment",
    "scripts.bench.loop_worker": "`facelab bench-loop`, in the training environment",
    "scripts.dashboard.cloud_worker": "the dashboard",
    "scripts.dashboard.frame_worker": "the dashboard",
    "scripts.dashboard.people_worker": "the dashboard",
    "scripts.develop.mutation.worker": "`facelab mutate`",
    "scripts.gallery.seed": "`facelab setup`, in the lab's environment, which it has just made",
}


def modules_of_scripts() -> Iterator[tuple[str, ast.Module]]:
    for name, path in Tree(ROOT).modules.items():
        if name.startswith("scripts."):
            yield name, ast.parse(path.read_text(encoding="utf-8"))


def is_program(tree: ast.Module) -> bool:
    """Whether it does something when it is run: `if __name__ == "__main__"`."""
    tests = [node.test for node in tree.body if isinstance(node, ast.If)]
    return any("'__main__'" in ast.dump(test) for test in tests)


def imported(tree: ast.Module) -> set[str]:
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module)
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def test_arguments_are_parsed_in_scripts_cli_alone():
    elsewhere = [
        name
        for name, tree in modules_of_scripts()
        if "argparse" in imported(tree) and not name.startswith("scripts.cli.")
    ]
    assert elsewhere == []


def test_what_runs_elsewhere_is_a_process_of_ours():
    programs = {name for name, tree in modules_of_scripts() if is_program(tree)}
    assert {name for name in programs if not name.startswith("scripts.cli.")} == set(WORKERS)


def test_every_command_line_is_a_task():
    """One that is none has no place in `facelab --help`, and none of the tests of all tasks."""
    trees = {name: tree for name, tree in modules_of_scripts() if name.startswith("scripts.cli.")}
    shared = set().union(*map(imported, trees.values()))
    tasks = {task.module for task in TASKS}
    assert set(trees) - shared - {"scripts.cli.facelab"} <= tasks
    assert {name for name in tasks if name.startswith("scripts.cli.")} <= set(trees)


def exit_codes(tree: ast.Module, *, all_functions: bool) -> Iterator[int]:
    """Those that stand as numbers: `sys.exit(2)`, `SystemExit(2)`, `return 2` of a command line."""
    for node in ast.walk(tree):
        given: list[ast.expr | None] = []
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("sys.exit", "SystemExit"):
            given += node.args
        elif isinstance(node, ast.FunctionDef) and (
            all_functions or "arguments" in {one.arg for one in node.args.args}
        ):
            is_code = node.returns and ast.unparse(node.returns) == "int"
            given += [
                one.value for one in ast.walk(node) if isinstance(one, ast.Return) and is_code
            ]
        for number in (part for one in given if one for part in _results(one)):
            if isinstance(number, ast.Constant) and type(number.value) is int:
                yield number.value


def _results(node: ast.expr) -> list[ast.expr]:
    return [*_results(node.body), *_results(node.orelse)] if isinstance(node, ast.IfExp) else [node]


def test_one_table_has_every_exit_code_and_no_other():
    """The devices' programs once ended with a 3 that was not the 3 of `facelab status`."""
    table = {int(code) for code in re.findall(r"^ {4}(\d+) ", facelab.__doc__, re.MULTILINE)}
    used = {fail(ValueError("no such camera")), FAULT_STATUS}
    of_lab = ("scripts.cli.", "scripts.console", "scripts.aws.status")
    for name, path in Tree(ROOT).modules.items():
        if name.startswith((*of_lab, "device.", "training.")):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            used |= set(exit_codes(tree, all_functions=name.startswith(of_lab)))
    assert used == table


def test_no_document_or_message_runs_a_module_that_is_no_program():
    """A bench whose command line moved was still named by its old one, in figures and documents."""
    listed = subprocess.run(
        ["git", "grep", "-hoE", "-e", r"-m scripts\.[a-z_.]*[a-z_]"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if listed.returncode == 128:
        pytest.skip("not a git checkout")
    named = {line.removeprefix("-m ") for line in listed.stdout.splitlines()}
    programs = {name for name, tree in modules_of_scripts() if is_program(tree)}
    assert "scripts.cli.facelab" in named
    assert named <= programs
