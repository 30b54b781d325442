"""What a device owns in the cloud: one small stack each."""

from __future__ import annotations

from cloud.switch import Switch
from scripts.console import Progress
from scripts.provision.stacks import Stacks


def add_device(switch: Switch, device_id: str, progress: Progress) -> bool:
    """Bring the device's stack to its template; False when nothing had changed."""
    return Stacks(switch, progress).deploy(
        switch.names.device_stack(device_id),
        "device.yaml",
        {"Prefix": switch.names.prefix, "DeviceId": device_id},
    )


def remove_device(switch: Switch, device_id: str, progress: Progress) -> bool:
    """Delete the device's stack; False when there was none."""
    return Stacks(switch, progress).delete(switch.names.device_stack(device_id))


def device_ids(switch: Switch, progress: Progress) -> list[str]:
    """Devices that have a stack in this lab.

    A stack's parameters tell, not its name alone: `facelab-device-x` may as well be the
    main stack of a lab whose prefix is `facelab-device-x`.
    """
    found = []
    for stack in Stacks(switch, progress).all():
        values = {one["ParameterKey"]: one["ParameterValue"] for one in stack.get("Parameters", ())}
        device_id = values.get("DeviceId")
        if (
            device_id
            and values.get("Prefix") == switch.names.prefix
            and stack["StackName"] == switch.names.device_stack(device_id)
        ):
            found.append(device_id)
    return sorted(found)
