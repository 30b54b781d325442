"""Bring the lab up and down, look into it, keep and change its contents."""

from __future__ import annotations

import argparse
import sys

from cloud.switch import Switch, read_switch
from scripts.cli.function_log import add_log_options, print_log
from scripts.cli.parsing import actions_parser, tell
from scripts.console import Progress, print_json, run_command
from scripts.errors import LabError
from scripts.lab.backends import Backend, choose_backend
from scripts.lab.state import LabState

# What only some actions need they load themselves: to stop a lab takes a second, boto another.


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    switch, state, progress = read_switch(), LabState(), Progress()
    if options.action == "status":
        return _status(options, switch, state, progress)
    if options.action == "logs" and not options.emulator:
        print_log(switch, switch.names.function, options)
        return 0
    backend = choose_backend(switch, state, progress)
    if options.action in ("snapshot", "restore", "reset"):
        return _change_contents(options, switch, backend, progress)
    if options.action == "logs":
        lines = backend.emulator_log(options.lines).split("\n")
        tell(lines, "\n".join, as_json=options.json)
        return 0
    if options.action == "down":
        with progress.usual("stopping the lab", f"down {backend.name}"):
            backend.stop()
        if options.forget:
            backend.forget()
        progress("the lab is down" + (" and forgotten" if options.forget else ""))
    else:
        _deploy(options, switch, state, backend, progress)
    if options.json:
        is_down = options.action == "down"
        where = {"backend": backend.name, "endpoint": switch.endpoint_url}
        print_json(where | {"emulator": "down" if is_down else "up"})
    return 0


def _parser() -> argparse.ArgumentParser:
    parser, add_action = actions_parser("", __doc__)
    add_action("up", "start the emulator and deploy what changed")
    down = add_action("down", "stop the emulator and everything it started")
    down.add_argument("--forget", action="store_true", help="the next `up` starts empty")
    add_action("deploy", "build, push and deploy the function, changed or not")
    add_action("status", "what is up, and what waits where")
    logs = add_action("logs", "the function's output")
    add_log_options(logs)
    logs.add_argument("--emulator", action="store_true", help="LocalStack's own log instead")
    logs.add_argument("--lines", type=int, default=100, help="of LocalStack's log")
    for action, text in (
        ("snapshot", "write everything in the lab into one file"),
        ("restore", "replace everything in the lab by what is in such a file"),
    ):
        one = add_action(action, text)
        one.add_argument("name", metavar="NAME", help="a name, or the path of a .zip file")
    add_action("reset", "make the lab as it was when it was first deployed")
    return parser


def _deploy(
    options: argparse.Namespace,
    switch: Switch,
    state: LabState,
    backend: Backend,
    progress: Progress,
) -> None:
    from scripts.lab.deployment import deploy, up

    if options.action == "up":
        was = "up" if backend.is_up() else "down"
        with progress.usual("bringing the lab up", f"up {backend.name}, was {was}"):
            up(switch, state, backend, progress, wait_until_warm=False)
    else:
        with progress.usual("building and deploying the function", f"deploy {backend.name}"):
            deploy(switch, state, backend, progress)


def _status(
    options: argparse.Namespace, switch: Switch, state: LabState, progress: Progress
) -> int:
    from rich.console import Console

    from scripts.lab.status import status
    from scripts.lab.status_screen import show

    if switch.is_aws:
        from scripts.aws.status import status as aws_status

        return aws_status(switch, options.json)
    facts = status(switch, choose_backend(switch, state, progress))
    if options.json:
        print_json(facts)
    else:
        show(facts, Console(file=sys.stdout))
    return 0 if facts["emulator"] == "up" else 3


def _change_contents(
    options: argparse.Namespace, switch: Switch, backend: Backend, progress: Progress
) -> int:
    from scripts.lab.snapshots import reset, restore, snapshot_path, take

    if not backend.is_up():
        raise LabError("the lab is down", "`make up` starts it")
    bar = progress.usual(f"{options.action} of the lab", f"{options.action} {backend.name}")
    if options.action == "reset":
        with bar:
            took_s = reset(switch, progress)
        progress(f"the lab is as it was at first ({took_s:.1f} s)")
        if options.json:
            print_json({"took_s": round(took_s, 1)})
        return 0
    path = snapshot_path(options.name)
    with bar:
        done = (take if options.action == "snapshot" else restore)(switch, path, progress)
    progress(
        f"{path}: {len(done.objects)} objects, {len(done.people)} people, "
        f"devices {', '.join(done.devices)}"
    )
    if options.json:
        counts = {"objects": len(done.objects), "people": len(done.people)}
        print_json({"file": str(path), **counts, "devices": done.devices})
    return 0


if __name__ == "__main__":
    run_command(main)
