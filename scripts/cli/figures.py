"""Keep what a command measured, and make the documents' tables from it.

facelab figures e2e_embedded compute     after the commands that measure them
facelab figures                          only makes the tables anew
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
from datetime import UTC, datetime
from pathlib import Path

from scripts.console import Progress, run_command
from scripts.develop.figures import MEASURED, rendered, take
from scripts.machine import cpu_model
from scripts.paths import ROOT

FIGURES = ROOT / "docs" / "figures.json"
DOCUMENTS = (ROOT / "README.md", ROOT / "lambda" / "README.md")


def machine() -> str:
    """This machine's processor and number of cores."""
    return f"{os.cpu_count()} cores of {cpu_model() or 'an unnamed processor'}"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="facelab figures",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(MEASURED))
    parser.add_argument("--root", type=Path, default=ROOT, help="whose out/ is read")
    options = parser.parse_args(arguments)
    unknown = set(options.names) - set(MEASURED)
    if unknown:
        parser.error(f"there are no figures {', '.join(sorted(unknown))}")
    figures = json.loads(FIGURES.read_text(encoding="utf-8")) if FIGURES.exists() else {}
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    ).stdout.strip()
    for name in options.names:
        day = datetime.now(UTC).date().isoformat()
        figures = take(figures, name, options.root, day, machine(), commit)
    FIGURES.write_text(json.dumps(figures, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    for document in DOCUMENTS:
        text = document.read_text(encoding="utf-8")
        document.write_text(rendered(text, figures), encoding="utf-8")
    Progress()(f"{len(figures)} measured; the tables of {len(DOCUMENTS)} documents are made anew")
    return 0


if __name__ == "__main__":
    run_command(main)
