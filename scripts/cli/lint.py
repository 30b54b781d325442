"""Style, types, who may import whom, security rules, templates: all of it, whatever fails."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from scripts.cli.parsing import task_parser
from scripts.console import Progress, print_json, run_command
from scripts.paths import ROOT

PYTHON = (sys.executable, "-m")
TEMPLATES = sorted(str(one) for one in (ROOT / "scripts" / "provision").glob("*.yaml"))
CHECKS: dict[str, tuple[str, ...]] = {
    "style": (*PYTHON, "ruff", "check", "."),
    "format": (*PYTHON, "ruff", "format", "--check", "."),
    "types": (*PYTHON, "mypy"),
    "imports": (*PYTHON, "scripts.cli.check_imports"),
    "templates": (str(Path(sys.executable).parent / "cfn-lint"), *TEMPLATES),
}


def main(arguments: list[str] | None = None) -> int:
    options = task_parser("lint", __doc__).parse_args(arguments)
    progress = Progress()
    environment = os.environ | _colors(sys.stdout.isatty() and not options.json)
    results = []
    for name, command in CHECKS.items():
        with progress.usual(f"looking at {name}", f"lint {name}"):
            done = subprocess.run(
                command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
            )
        output = done.stdout + done.stderr
        results.append({"check": name, "ok": not done.returncode, "output": output})
        if not options.json:
            print(done.stdout, end="", flush=True)
            print(done.stderr, end="", file=sys.stderr, flush=True)
    failed = [str(one["check"]) for one in results if not one["ok"]]
    if options.json:
        print_json(results)
    if failed:
        progress(f"failed: {', '.join(failed)}")
    return 1 if failed else 0


def _colors(is_terminal: bool) -> dict[str, str]:
    """What the checks write goes through a pipe: they are told whether a person reads it."""
    is_wanted = is_terminal and not os.environ.get("NO_COLOR")
    return {"FORCE_COLOR": "1", "MYPY_FORCE_COLOR": "1"} if is_wanted else {}


if __name__ == "__main__":
    run_command(main)
