"""Bring the lab up and down, and look into it: `python -m scripts.cli.lab up`."""

from __future__ import annotations

import argparse

from cloud.switch import read_switch
from scripts.aws.status import status as aws_status
from scripts.console import Progress, print_json, run_command
from scripts.lab.backends import choose_backend
from scripts.lab.deployment import deploy, up
from scripts.lab.state import LabState
from scripts.lab.status import function_log, status


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="facelab", description=__doc__)
    actions = parser.add_subparsers(dest="action", required=True)
    actions.add_parser("up", help="start the emulator and deploy what changed")
    actions.add_parser("down", help="stop the emulator and everything it started")
    actions.add_parser("deploy", help="build, push and deploy the function, changed or not")
    shown = actions.add_parser("status", help="what is up, and what waits where")
    shown.add_argument("--json", action="store_true")
    logs = actions.add_parser("logs", help="the function's output")
    logs.add_argument("--follow", "-f", action="store_true")
    logs.add_argument("--since", type=float, default=3600, metavar="SECONDS")
    logs.add_argument("--emulator", action="store_true", help="LocalStack's own log instead")
    logs.add_argument("--lines", type=int, default=100, help="of LocalStack's log")
    options = parser.parse_args(arguments)

    switch, state, progress = read_switch(), LabState(), Progress()
    if switch.is_aws and options.action == "status":
        return aws_status(switch, options.json)
    if options.action == "logs" and not options.emulator:
        function_log(switch, options.follow, options.since)
        return 0
    backend = choose_backend(switch, state, progress)
    if options.action == "up":
        up(switch, state, backend, progress)
    elif options.action == "deploy":
        deploy(switch, state, backend, progress)
    elif options.action == "down":
        backend.stop()
        progress("the lab is down")
    elif options.action == "status":
        facts = status(switch, backend)
        if options.json:
            print_json(facts)
        else:
            for name, value in facts.items():
                print(f"{name:>16}  {value}")
        return 0 if facts["emulator"] == "up" else 3
    else:
        print(backend.emulator_log(options.lines))
    return 0


if __name__ == "__main__":
    run_command(main)
