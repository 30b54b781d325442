"""Devices of the lab: `facelab device add pi-01`, `remove`, `policy`, `list`."""

from __future__ import annotations

from cloud.switch import Switch, read_switch
from scripts.cli.parsing import actions_parser
from scripts.console import Progress, print_json, run_command
from scripts.errors import LabError
from scripts.provision.device_policy import LabPlace, device_policy
from scripts.provision.devices import add_device, device_ids, remove_device
from scripts.provision.stacks import Stacks


class NoLab(LabError):
    """There is no lab that a device could belong to."""


def add(switch: Switch, device_id: str, progress: Progress) -> dict[str, str]:
    """Create the device's queue; fine when it is there."""
    if Stacks(switch, progress).status(switch.names.stack) is None:
        command = "make aws-up" if switch.is_aws else "make up"
        raise NoLab(f"there is no lab {switch.names.stack} to add a device to", f"`{command}`")
    add_device(switch, device_id, progress)
    return {"device": device_id, "queue": switch.names.result_queue(device_id)}


def main(arguments: list[str] | None = None) -> int:
    parser, add_action = actions_parser("device", __doc__)
    for action, text in (
        ("add", "create the device's result queue"),
        ("remove", "delete it, with the results that wait there"),
        ("policy", "print the IAM policy that the device's credentials need"),
    ):
        one = add_action(action, text)
        one.add_argument("device", metavar="DEVICE", help="1-32 of a-z, 0-9 and inner hyphens")
    add_action("list", "devices that have a queue")
    options = parser.parse_args(arguments)

    switch, progress = read_switch(), Progress()
    if options.action == "list":
        found = device_ids(switch, progress)
        if options.json:
            print_json(found)
        else:
            print("\n".join(found) or "no device has a queue")
        return 0
    device_id = options.device
    queue = switch.names.result_queue(device_id)
    if options.action == "policy":
        print_json(device_policy(LabPlace.of(switch), queue, device_id))
        return 0
    if options.action == "add":
        with progress.usual("making its queue", "device add"):
            outcome: dict[str, object] = dict(add(switch, device_id, progress))
        said = f"device {device_id} has the queue {queue}; FACELAB_DEVICE_ID={device_id} uses it"
    else:
        with progress.usual("removing its queue", "device remove"):
            removed = remove_device(switch, device_id, progress)
        outcome = {"device": device_id, "removed": removed}
        said = f"device {device_id} " + ("is removed" if removed else "had no queue")
    if options.json:
        print_json(outcome)
    else:
        progress(said)
    return 0


if __name__ == "__main__":
    run_command(main)
