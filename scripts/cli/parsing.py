"""What all command lines have in common: their form, and how they tell what came of it.

Standard library only: `setup` and `docker-engine` run before any environment stands.
"""

from __future__ import annotations

import argparse
import inspect
import json
from collections.abc import Callable
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from scripts.console import print_json, print_lines

AddAction: TypeAlias = Callable[[str, str], argparse.ArgumentParser]


def task_parser(task: str, about: str | None) -> argparse.ArgumentParser:
    """The parser of `facelab TASK`, with `--json`; `about` is shown as it stands."""
    parser = _parser(f"facelab {task}", about)
    _add_json(parser)
    return parser


def actions_parser(task: str, about: str | None) -> tuple[argparse.ArgumentParser, AddAction]:
    """The parser of a task that has actions, and what adds one: a name and what it does."""
    parser = _parser(f"facelab {task}".rstrip(), about)
    actions = parser.add_subparsers(dest="action", required=True)

    def add(name: str, text: str) -> argparse.ArgumentParser:
        about = text[0].upper() + text[1:] + "."
        one = actions.add_parser(name, help=text, description=about)
        _add_json(one)
        return one

    return parser, add


def _parser(prog: str, about: str | None) -> argparse.ArgumentParser:
    return argparse.ArgumentParser(
        prog=prog,
        description=inspect.cleandoc(about or ""),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def _add_json(parser: argparse.ArgumentParser) -> None:
    text = "JSON, and nothing else on stdout"
    parser.add_argument("--json", action="store_true", help=text)


def positive(text: str) -> float:
    """An option's number, above 0.

    Raises
    ------
    argparse.ArgumentTypeError
        When it is none, or a billion or more.
    """
    value = float(text)
    if not 0 < value < 1e9:
        raise argparse.ArgumentTypeError(f"{text} is not a number above 0")
    return value


def address(text: str) -> str:
    """An endpoint's address.

    Raises
    ------
    argparse.ArgumentTypeError
        When it is no URL of HTTP with a host.
    """
    try:
        parts = urlsplit(text)
        if parts.scheme in ("http", "https") and parts.hostname and parts.port != 0:
            return text
    except ValueError:  # a port that is no number
        pass
    raise argparse.ArgumentTypeError(f"{text!r} is no address as http://127.0.0.1:5000")


def tell(result: Any, in_words: Callable[[Any], str], *, as_json: bool) -> None:
    """What came of it, for a program or for a person."""
    if as_json:
        print_json(result)
    else:
        print_lines(in_words(result))


def print_json_line(value: Any) -> None:
    """One of many objects, for a program that reads them as they come."""
    print(json.dumps(value), flush=True)
