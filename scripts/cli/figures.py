"""Keep what a command measured, and make the documents' figures from it.

facelab figures e2e_embedded compute     after the commands that measure them
facelab figures                          only makes tables and sentences anew
facelab figures --list                   what is kept, and the command that measures it
"""

from __future__ import annotations

import json
import os
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from scripts.cli.parsing import task_parser, tell
from scripts.console import Progress, print_json, run_command
from scripts.develop.figure_tables import rendered
from scripts.develop.figures import RUNS, Figures, take
from scripts.machine import cpu_model
from scripts.paths import ROOT

FIGURES = ROOT / "docs" / "figures.json"


def machine() -> str:
    """This machine's processor and number of cores."""
    return f"{os.cpu_count()} cores of {cpu_model() or 'an unnamed processor'}"


def read_figures() -> Figures:
    """What is kept."""
    kept: Figures = json.loads(FIGURES.read_text(encoding="utf-8")) if FIGURES.exists() else {}
    return kept


def documents() -> list[Path]:
    """The checkout's documents. The changelog tells how it was, so it is none of them."""
    listed = _git("ls-files", "--cached", "--others", "--exclude-standard", "*.md").split()
    return [path for name in sorted(listed) if (path := ROOT / name).name != "CHANGELOG.md"]


def _git(*arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return done.stdout.strip()


def main(arguments: list[str] | None = None) -> int:
    parser = task_parser("figures", __doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(RUNS))
    parser.add_argument("--out", type=Path, default=ROOT / "out", help="where the runs wrote to")
    parser.add_argument("--on", default="", help="how busy the machine was, in words")
    parser.add_argument("--list", action="store_true", help="what is kept, and how to measure it")
    options = parser.parse_args(arguments)
    if unknown := set(options.names) - set(RUNS):
        parser.error(f"there are no figures {', '.join(sorted(unknown))}")
    figures = read_figures()
    if options.list:
        tell(_listed(figures), _list_in_words, as_json=options.json)
        return 0
    place = f"{machine()} {options.on}".strip()
    for name in options.names:
        day = datetime.now(UTC).date().isoformat()
        commit = _git("rev-parse", "--short", "HEAD")
        figures = take(figures, name, options.out, day, place, commit)
    ordered = {name: figures[name] for name in RUNS if name in figures}
    FIGURES.write_text(json.dumps(ordered, indent=1) + "\n", encoding="utf-8")
    changed = [path for path in documents() if _remade(path, figures)]
    names = [str(path.relative_to(ROOT)) for path in changed]
    if options.json:
        print_json({"kept": sorted(ordered), "made_anew": names})
    told = ", ".join(names) or "no document"
    Progress()(f"{len(figures)} runs are kept; made anew: {told}")
    return 0


def _listed(figures: Figures) -> list[dict[str, Any]]:
    return [
        {"name": name, "when": figures.get(name, {}).get("when"), "command": run.command}
        for name, run in RUNS.items()
    ]


def _list_in_words(rows: list[dict[str, Any]]) -> str:
    return "\n".join(
        f"{row['name']:18} {row['when'] or 'never':10}  {row['command']}" for row in rows
    )


def _remade(document: Path, figures: Figures) -> bool:
    text = document.read_text(encoding="utf-8")
    made = rendered(text, figures)
    if made != text:
        document.write_text(made, encoding="utf-8")
    return made != text


if __name__ == "__main__":
    run_command(main)
