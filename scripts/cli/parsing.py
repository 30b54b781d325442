"""What all command lines have in common: their form, and how they tell what came of it.

Standard library only: `setup` and `docker-engine` run before any environment stands.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from typing import Any

from scripts.console import print_json, print_lines


def task_parser(task: str, about: str | None) -> argparse.ArgumentParser:
    """The parser of `facelab TASK`, with `--json`; `about` is shown as it stands."""
    parser = argparse.ArgumentParser(
        prog=f"facelab {task}",
        description=about,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_json(parser)
    return parser


def add_json(parser: argparse.ArgumentParser, default: Any = False) -> None:
    """For a task's parser, or for that of one of its actions."""
    text = "the result as JSON, and nothing else on stdout"
    parser.add_argument("--json", action="store_true", default=default, help=text)


def tell(result: Any, in_words: Callable[[Any], str], *, as_json: bool) -> None:
    """What came of it, for a program or for a person."""
    if as_json:
        print_json(result)
    else:
        print_lines(in_words(result))


def print_json_line(value: Any) -> None:
    """One of many objects, for a program that reads them as they come."""
    print(json.dumps(value), flush=True)
