"""What takes over two seconds shows how long it still takes: a new task has a bar, or a reason."""

from __future__ import annotations

import re
from pathlib import Path

CLI = Path(__file__).parents[3] / "scripts" / "cli"
BAR = re.compile(r"\.(bar|each|usual)\(")
# Of tasks whose command line has none: where the bar is, or why there is nothing to wait for.
WITHOUT = {
    "__init__.py": "no task", "bench_ending.py": "no task", "parsing.py": "no task",
    "facelab.py": "no task", "bench_faces.py": "scripts/bench has them",
    "bench_lab.py": "scripts/bench has them", "bench_loop.py": "scripts/bench has them",
    "grade.py": "scripts/grade has them", "setup.py": "scripts/setup.py has them",
    "soak.py": "scripts/e2e/soak.py has it", "throughput.py": "scripts/e2e/throughput.py has it",
    "check_imports.py": "a second", "env.py": "at once", "figures.py": "a second",
    "function_log.py": "at once, or it follows", "script.py": "at once",
    "trace.py": "a second, or it follows",
    "dashboard.py": "it serves until it is ended",
}  # fmt: skip


def test_a_task_has_a_bar_or_a_reason():
    without = {path.name for path in CLI.glob("*.py") if not BAR.search(path.read_text("utf-8"))}
    assert without == set(WITHOUT)


def test_where_a_bar_is_said_to_be_there_is_one():
    root = CLI.parents[1]
    for reason in WITHOUT.values():
        if " has " in reason:
            place = root / reason.partition(" has ")[0]
            files = [place] if place.is_file() else place.glob("*.py")
            assert any(
                re.search(r"(\.|return )(bar|each|usual)\(", one.read_text("utf-8"))
                for one in files
            ), place
