"""Style, types, who may import whom, security rules, templates: all of it, whatever fails."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

from scripts.console import Progress, run_command
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
    parser = argparse.ArgumentParser(prog="facelab lint", description=__doc__)
    parser.parse_args(arguments)
    progress = Progress()
    environment = os.environ | _colors(sys.stdout.isatty())
    failed = []
    for name, command in CHECKS.items():
        with progress.usual(f"looking at {name}", f"lint {name}"):
            done = subprocess.run(
                command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
            )
        print(done.stdout, end="", flush=True)
        print(done.stderr, end="", file=sys.stderr, flush=True)
        if done.returncode:
            failed.append(name)
    if failed:
        progress(f"failed: {', '.join(failed)}")
    return 1 if failed else 0


def _colors(is_terminal: bool) -> dict[str, str]:
    """What the checks write goes through a pipe: they are told whether a person reads it."""
    is_wanted = is_terminal and not os.environ.get("NO_COLOR")
    return {"FORCE_COLOR": "1", "MYPY_FORCE_COLOR": "1"} if is_wanted else {}


if __name__ == "__main__":
    run_command(main)
