"""A function's output: of the lab's own, or of one that somebody brought."""

from __future__ import annotations

import argparse

from cloud.switch import Switch
from scripts.cli.parsing import print_json_line
from scripts.console import log_text, print_json


def add_log_options(parser: argparse.ArgumentParser) -> None:
    """What `print_log` is asked."""
    parser.add_argument(
        "--follow", "-f", action="store_true", help="until told to end; JSON: an object a line"
    )
    parser.add_argument(
        "--since",
        type=float,
        default=3600,
        metavar="SECONDS",
        help="how far back (default: %(default)g)",
    )


def print_log(switch: Switch, name: str, options: argparse.Namespace) -> None:
    from scripts.functions.using import said

    lines = said(switch, name, options.follow, options.since)
    if options.json and not options.follow:
        print_json(list(lines))
        return
    for line in lines:
        if options.json:
            print_json_line(line)
        else:
            print(log_text(line["message"]), flush=True)
