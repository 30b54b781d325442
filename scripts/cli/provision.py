"""Deploy, update or delete the cloud side of the lab: `python -m scripts.cli.provision deploy`."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from cloud.switch import read_switch
from scripts.console import Progress, run_command
from scripts.lab.state import LabState
from scripts.provision.deployment import deploy
from scripts.provision.publishers import publisher_for
from scripts.provision.teardown import delete


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="facelab provision", description=__doc__.splitlines()[0])
    parser.add_argument("action", choices=("deploy", "delete"))
    parser.add_argument(
        "--store",
        type=Path,
        default=Path(os.environ.get("IMAGE_FUNCTIONS_STORE") or LabState().images),
        help="where process bundles are kept (embedded backend; default: the lab's own state)",
    )
    options = parser.parse_args(arguments)
    switch, progress = read_switch(), Progress()
    if options.action == "delete":
        delete(switch, progress)
    else:
        image = publisher_for(switch, options.store).publish(switch, progress)
        deploy(switch, image, progress)
    return 0


if __name__ == "__main__":
    run_command(main)
