"""A task's parser, without doing the task."""

from __future__ import annotations

import argparse
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
