"""Deploy, update or delete the cloud side of the lab, in an emulator that runs or on AWS."""

from __future__ import annotations

import os
from pathlib import Path

from cloud.switch import read_switch
from localstack_image_functions.settings import read_settings
from scripts.cli.parsing import task_parser
from scripts.console import Progress, print_json, run_command
from scripts.lab.state import LabState
from scripts.provision.deployment import deploy
from scripts.provision.publishers import publisher_for
from scripts.provision.teardown import delete


def main(arguments: list[str] | None = None) -> int:
    parser = task_parser("provision", __doc__)
    parser.add_argument("action", choices=("deploy", "delete"), help="which of them")
    parser.add_argument(
        "--store",
        type=Path,
        default=read_settings(os.environ).store or LabState().images,
        help="where process bundles are kept (embedded backend; default: the lab's own state)",
    )
    options = parser.parse_args(arguments)
    switch, progress = read_switch(), Progress()
    outcome = {"stack": switch.names.stack, "action": options.action}
    with progress.usual("working at the stack", f"provision {options.action}"):
        if options.action == "delete":
            delete(switch, progress)
        else:
            image = publisher_for(switch, options.store).publish(switch, progress)
            deploy(switch, image, progress)
            outcome["image"] = image.uri
    if options.json:
        print_json(outcome)
    return 0


if __name__ == "__main__":
    run_command(main)
