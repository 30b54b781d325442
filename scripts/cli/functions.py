"""Functions that you bring: deploy a folder with a Dockerfile or a handler, and use it."""

from __future__ import annotations

import argparse
import re
import shlex
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from cloud.switch import Switch, read_switch
from scripts.cli.function_log import add_log_options, print_log
from scripts.cli.parsing import actions_parser, print_json_line, tell
from scripts.console import Progress, confirm, log_text, print_json, print_lines, run_command
from scripts.errors import LabError
from scripts.functions import deployment, using
from scripts.functions.backends import publisher_here, running
from scripts.functions.pythons import pythons_here
from scripts.functions.runtimes import make_runtimes, of_each_minor
from scripts.functions.triggers import FORMS, parse_trigger
from scripts.functions.watching import watch_folder


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    switch, progress = read_switch(), Progress()
    if options.account:
        switch = switch.of_account(options.account)
    match options.action:
        case "deploy":
            return _deploy(options, switch, progress)
        case "watch":
            builder = publisher_here(switch, progress)
            given = dict(_pairs(options.build_arg))
            watch_folder(
                switch,
                options.name,
                options.dir,
                builder,
                progress,
                build_arguments=given,
                deployed=print_json_line if options.json else lambda event: None,
            )
        case "list":
            _list(options, running(switch, progress))
        case "invoke":
            return _invoke(options, running(switch, progress), progress)
        case "logs":
            print_log(running(switch, progress), options.name, options)
        case "runtimes":
            with progress.usual("making runtimes", "functions runtimes"):
                folder = make_runtimes(progress, pythons=of_each_minor(pythons_here()))
            found = sorted(path.name for path in folder.iterdir())
            tell(found, " ".join, as_json=options.json)
        case "delete":
            if switch.is_aws:
                confirm(f"delete function {options.name} on AWS?", options.yes)
            with progress.usual(f"deleting {options.name}", "functions delete"):
                deployment.delete(running(switch, progress), options.name, progress)
            if options.json:
                print_json({"deleted": options.name})
    return 0


def _parser() -> argparse.ArgumentParser:
    parser, add_action = actions_parser("functions", __doc__)
    deploy = add_action("deploy", "build the folder and bring the function to it")
    watch = add_action("watch", "deploy the code again whenever a file is saved")
    for one in (deploy, watch):
        one.add_argument("name", metavar="NAME", help="the function's")
        one.add_argument("--dir", type=Path, required=True, help="the function's folder")
        one.add_argument(
            "--build-arg", action="append", default=[], metavar="NAME=VALUE", help="for ARG"
        )
    deploy.add_argument(
        "--trigger", action="append", default=[], metavar="TRIGGER", help=f"one of {FORMS}"
    )
    deploy.add_argument("--memory", type=int, metavar="MB", help="128 to 10240; at first 1024")
    deploy.add_argument("--timeout", type=int, metavar="SECONDS", help="1 to 900; at first 60")
    deploy.add_argument(
        "--env", action="append", default=[], metavar="'A=1 B=2'", help="or a file of such lines"
    )
    deploy.add_argument(
        "--allow",
        action="append",
        default=[],
        metavar="SERVICE",
        help="let its role use the data of s3, sqs, dynamodb or lambda in this account",
    )
    deploy.add_argument("--role", metavar="ARN", help="take this role instead of making one")
    listed = add_action("list", "what is deployed")
    invoke = add_action("invoke", "send an event and print the answer")
    invoke.add_argument("name", metavar="NAME", help="the function's")
    invoke.add_argument(
        "--event", metavar="FILE", default="", help="JSON; - reads stdin; without: {}"
    )
    logs = add_action("logs", "the function's output")
    logs.add_argument("name", metavar="NAME", help="the function's")
    add_log_options(logs)
    delete = add_action("delete", "the function, its triggers, its role, its image")
    delete.add_argument("name", metavar="NAME", help="the function's")
    delete.add_argument("--yes", action="store_true", help="on AWS: do not ask")
    add_action("runtimes", "let zip functions run on each Python of this machine")
    for one in (deploy, watch, listed, invoke, logs, delete):
        one.add_argument(
            "--account", metavar="ID", help="twelve digits: another account of the emulator"
        )
    parser.set_defaults(account=None)
    return parser


def _deploy(options: argparse.Namespace, switch: Switch, progress: Progress) -> int:
    wanted = deployment.Wanted(
        name=options.name,
        folder=options.dir,
        triggers=tuple(parse_trigger(word) for word in options.trigger if word),
        memory_mb=options.memory,
        timeout_s=options.timeout,
        environment=dict(_pairs(options.env)) if any(options.env) else None,
        allowed=tuple(word for one in options.allow for word in re.split(r"[\s,]+", one) if word),
        role=options.role or None,
        build_arguments=dict(_pairs(options.build_arg)),
    )
    wanted.check()
    publisher = publisher_here(switch, progress)
    with progress.usual(f"deploying {wanted.name}", f"functions deploy {wanted.name}"):
        done = deployment.deploy(switch, wanted, publisher, progress)
    if options.json:
        print_json(asdict(done))
    else:
        print_lines(f"{done.name}  {done.image}")
    return 0


def _list(options: argparse.Namespace, switch: Switch) -> None:
    found = using.listed(switch)
    if options.json:
        print_json([asdict(one) for one in found])
        return
    for one in found:
        print_lines(
            f"{one.name:32} {one.package:10} {one.state:8} {one.memory_mb:5} MB "
            f"{one.timeout_s:4} s  " + (" ".join(one.triggers) or "-")
        )


def _invoke(options: argparse.Namespace, switch: Switch, progress: Progress) -> int:
    event = using.read_event(_event_text(options.event))
    with progress.usual(f"{options.name} works", f"invoke {options.name}"):
        answer = using.invoke(switch, options.name, event)
    if options.json:
        print_json(answer.as_json())
    else:
        print(log_text(answer.log), file=sys.stderr)
        print_json(answer.payload)
    return 1 if answer.error else 0


def _event_text(named: str) -> str:
    if named == "-":
        return sys.stdin.read()
    if not named:
        return "{}"
    try:
        return Path(named).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise LabError(f"EVENT={named}: {error.strerror}", "it names a file with JSON") from error


def _pairs(given: Sequence[str]) -> list[tuple[str, str]]:
    """NAME=VALUE words, also several in one string or one a line in a file."""
    pairs = []
    for text in given:
        lines = [text]
        if text and "=" not in text:
            if not Path(text).is_file():
                raise LabError(f"{text!r} is neither NAME=value nor a file", "ENV='A=1 B=2'")
            lines = Path(text).read_text(encoding="utf-8-sig").splitlines()
        try:
            words = [word for line in lines for word in shlex.split(line, comments=True)]
        except ValueError as error:
            raise LabError(
                f"{text!r}: {error}", "quote a value with spaces: ENV=\"A='1 2'\""
            ) from error
        for word in words:
            name, equals, value = word.removeprefix("export ").partition("=")
            if not equals or not name:
                raise LabError(f"{word!r} is not NAME=value", "ENV='A=1 B=2', or a file of lines")
            pairs.append((name, value))
    return pairs


if __name__ == "__main__":
    run_command(main)
