"""The lab on AWS: `facelab aws up`, `down` or `status`.

Goes to AWS itself whatever FACELAB_BACKEND says; AWS_ENDPOINT_URL leads the same code
elsewhere, and every command says where it goes.
"""

from __future__ import annotations

import argparse
import platform
import sys
from dataclasses import asdict
from pathlib import Path

from cloud.switch import Switch, read_switch
from scripts.aws.account import Account, check_account, check_bucket_name
from scripts.aws.cost import estimate_text
from scripts.aws.export import export, exported
from scripts.aws.inventory import Resource, inventory
from scripts.aws.rollout import bring_up, take_down
from scripts.aws.status import status
from scripts.cli.parsing import actions_parser
from scripts.console import Progress, confirm, print_json, run_command
from scripts.paths import ROOT
from scripts.provision.function_image import lambda_architecture
from scripts.provision.people import SHIPPED
from scripts.provision.publishers import ContainerImage, Publisher


def plan(switch: Switch, account: Account, architecture: str) -> list[str]:
    """What `up` makes or brings up to date, and what that costs."""
    names = switch.names
    return [
        f"Where: {account.where}",
        "What will be there:",
        f"  ECR repository {names.repository}: the function's image, {architecture}",
        f"  stack {names.stack}: bucket {switch.bucket}, function {names.function} with its role",
        f"    and log group, tables {names.people_table} and {names.ledger_table},",
        f"    queue {names.dead_letters}, function {names.reconciler} and its schedule",
        f"  stack {names.device_stack(switch.device_id)}: "
        f"queue {names.result_queue(switch.device_id)}",
        "  people, gallery and custom model, where none are yet",
        *estimate_text(architecture),
    ]


def up(
    switch: Switch, publisher: Publisher, options: argparse.Namespace, progress: Progress
) -> None:
    account = check_account(switch)
    seeds = exported(options.restore) if options.restore else SHIPPED
    publisher.check()
    check_bucket_name(switch, progress)
    architecture = lambda_architecture(platform.machine())
    print("\n".join(plan(switch, account, architecture)), file=sys.stderr)
    confirm("Go ahead?", options.yes)
    with progress.usual("bringing the lab up", "aws up"):
        image = bring_up(switch, publisher, seeds, progress)
    progress("the lab is up on AWS" if switch.endpoint_url is None else "the lab is up")
    if options.json:
        print_json({**asdict(account), "bucket": switch.bucket, "image": image})
        return
    print(
        "Now, with FACELAB_BACKEND=aws in .env (and AWS_PROFILE, AWS_REGION as here):\n"
        "  make device-add DEVICE=pi-01       a queue for each further device\n"
        "  make device-policy DEVICE=pi-01    the rights that its credentials need\n"
        "  python -m device.messages          and, elsewhere, python -m device.camera\n"
        "  make aws-down                      when it is over: nothing billable stays"
    )


def down(switch: Switch, options: argparse.Namespace, progress: Progress) -> None:
    account = check_account(switch)
    found = inventory(switch)
    if not found:
        progress(f"nothing of this lab is there ({account.where})")
        _tell_down(options, account, [], None)
        return
    print(f"Where: {account.where}", file=sys.stderr)
    print("What will be deleted, with all that is in it:", file=sys.stderr)
    for one in found:
        print(f"  {one.kind} {one.name} ({one.state})", file=sys.stderr)
    confirm("Delete all that?", options.yes)
    kept = export(switch, options.keep_data, progress) if options.keep_data else None
    with progress.usual("deleting the lab", "aws down"):
        take_down(switch, progress)
    progress("nothing of this lab is left")
    _tell_down(options, account, found, kept)


def _tell_down(
    options: argparse.Namespace, account: Account, deleted: list[Resource], kept: Path | None
) -> None:
    if options.json:
        resources = [asdict(one) for one in deleted]
        print_json({**asdict(account), "deleted": resources, "kept": kept and str(kept)})


def parser() -> argparse.ArgumentParser:
    parser, add_action = actions_parser("aws", __doc__)
    one = add_action("up", "create the lab, or bring it up to date")
    one.add_argument("--yes", action="store_true", help="don't ask")
    one.add_argument(
        "--restore", type=Path, metavar="DIR", help="start with what `down --keep-data` kept"
    )
    one = add_action("down", "delete everything that costs money")
    one.add_argument("--yes", action="store_true", help="don't ask")
    one.add_argument(
        "--keep-data",
        type=Path,
        nargs="?",
        const=ROOT / "out" / "kept",
        metavar="DIR",
        help="first copy people, gallery and models into DIR (default: out/kept)",
    )
    add_action("status", "what is there")
    return parser


def run(arguments: list[str] | None = None, publisher: Publisher | None = None) -> int:
    """Run a command; `publisher` is how the image gets into ECR (default: a real image)."""
    options = parser().parse_args(arguments)
    switch, progress = read_switch(backend="aws"), Progress()
    if options.action == "up":
        up(switch, publisher or ContainerImage(), options, progress)
    elif options.action == "down":
        down(switch, options, progress)
    else:
        return status(switch, options.json)
    return 0


if __name__ == "__main__":
    run_command(run)
