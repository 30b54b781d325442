"""A task's parser, without doing the task."""

from __future__ import annotations

import argparse
import inspect
from collections.abc import Iterator

import pytest

from scripts.cli.facelab import Task


class _Found(Exception):
    pass


def parser_of(task: Task) -> argparse.ArgumentParser:
    """What the task parses its arguments with."""

    def stop(parser: argparse.ArgumentParser, *_: object, **__: object) -> None:
        raise _Found(parser)

    do = task.load()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(argparse.ArgumentParser, "parse_args", stop)
        with pytest.raises(_Found) as found:
            do([*task.given])
    parser: argparse.ArgumentParser = found.value.args[0]
    for word in task.given:
        parser = _actions(parser)[word]
    return parser


def slips_of_help(task: Task) -> list[str]:
    """What a person misses in the task's `--help`, and in those of its actions."""
    slips = []
    for parser in _with_actions(parser_of(task)):
        about = parser.description or ""
        if not f"{parser.prog} ".startswith(f"facelab {task.name} "):
            slips.append(f"{parser.prog}: it is called facelab {task.name}")
        if not about.strip() or about != inspect.cleandoc(about):
            slips.append(f"{parser.prog}: no description, or an indented one")
        for one in parser._actions:
            if isinstance(one, argparse._SubParsersAction):
                slips += [f"{name}: no help" for name in set(one.choices) - _helped(one)]
            elif not one.help:
                slips.append(f"{parser.prog}: {one.option_strings or one.dest} has no help")
            elif one.dest == "json" and one.help != "JSON, and nothing else on stdout":
                slips.append(f"{parser.prog}: --json says {one.help!r}")
    return slips


def _helped(action: argparse._SubParsersAction) -> set[str]:
    return {one.dest for one in action._choices_actions if one.help}


def _with_actions(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    yield parser
    for one in _actions(parser).values():
        yield from _with_actions(one)


def last_parsers(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """The parser, or those of its actions."""
    actions = _actions(parser)
    if not actions:
        yield parser
    for one in actions.values():
        yield from last_parsers(one)


def _actions(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    return {}


def without_json(task: Task) -> list[str]:
    """The task's command lines that do not take --json."""
    return [one.prog for one in last_parsers(parser_of(task)) if "--json" not in one.format_usage()]
