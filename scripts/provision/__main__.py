"""Deploy, update or delete the cloud side of the lab: `python -m scripts.provision deploy`."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from contract.switch import Switch, read_switch
from scripts.console import Progress, run_command
from scripts.provision.devices import add_device
from scripts.provision.function_image import PublishedImage
from scripts.provision.people import SHIPPED, Seeds, seed
from scripts.provision.publishers import publisher_for
from scripts.provision.stacks import Stacks
from scripts.provision.teardown import delete
from scripts.setup import BUILD


def deploy(
    switch: Switch, image: PublishedImage, progress: Progress, seeds: Seeds = SHIPPED
) -> None:
    """Bring both stacks to their templates, then seed what is empty."""
    Stacks(switch, progress).deploy(
        switch.names.stack,
        "stack.yaml",
        {
            "Prefix": switch.names.prefix,
            "ImageUri": image.uri,
            "Architecture": image.architecture,
        },
    )
    add_device(switch, switch.device_id, progress)
    seed(switch, seeds, progress)


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.provision", description=__doc__.splitlines()[0]
    )
    parser.add_argument("action", choices=("deploy", "delete"))
    parser.add_argument(
        "--store",
        type=Path,
        default=Path(os.environ.get("IMAGE_FUNCTIONS_STORE", BUILD / "lab" / "images")),
        help="where process bundles are kept (embedded backend)",
    )
    options = parser.parse_args()
    switch, progress = read_switch(), Progress()
    if options.action == "delete":
        delete(switch, progress)
    else:
        image = publisher_for(switch, options.store).publish(switch, progress)
        deploy(switch, image, progress)
    return 0


if __name__ == "__main__":
    run_command(main)
