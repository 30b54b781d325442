"""Deploy the stack, the image, the devices and the people."""

from __future__ import annotations

from cloud.switch import Switch
from cloud.traces import traces_are_on
from scripts.console import Progress
from scripts.lab.event_path import event_path
from scripts.lab.limits import concurrency
from scripts.provision.devices import add_device
from scripts.provision.event_queue import has_queue, wait_until_empty
from scripts.provision.function_image import PublishedImage
from scripts.provision.people import SHIPPED, Seeds, seed
from scripts.provision.stacks import Stacks
from scripts.provision.warmth import warming_up


def deploy(
    switch: Switch, image: PublishedImage, progress: Progress, seeds: Seeds = SHIPPED
) -> None:
    """Bring both stacks to their templates, then seed what is empty."""
    stacks, stack, wanted = Stacks(switch, progress), switch.names.stack, parameters(switch, image)
    if wanted["Events"] == "direct" and has_queue(stacks.describe(stack)):
        stacks.deploy(stack, "stack.yaml", {**wanted, "Events": "draining"})
        wait_until_empty(switch, progress)
    stacks.deploy(stack, "stack.yaml", wanted)
    if switch.endpoint_url:
        _reserve(switch)
    with warming_up(switch, progress):
        add_device(switch, switch.device_id, progress)
        seed(switch, seeds, progress)


def parameters(switch: Switch, image: PublishedImage) -> dict[str, str]:
    """What `stack.yaml` asks for."""
    traces = "on" if traces_are_on() else "off"
    return {
        "Prefix": switch.names.prefix,
        "ImageUri": image.uri,
        "Architecture": image.architecture,
        "RequireTls": "no" if _in_the_clear(switch) else "yes",
        "Events": event_path(),
        "Traces": traces,
        "XRay": "off" if switch.endpoint_url else traces,
    }


def _reserve(switch: Switch) -> None:
    """Let the lab's own function take its share of this machine, whatever else runs here.

    LocalStack's CloudFormation passes over ReservedConcurrentExecutions. On AWS the account's
    thousand are for all.
    """
    client = switch.client("lambda")
    limit = client.get_account_settings()["AccountLimit"]["ConcurrentExecutions"]
    client.put_function_concurrency(
        FunctionName=switch.names.function,
        ReservedConcurrentExecutions=min(concurrency(), limit),
    )


def _in_the_clear(switch: Switch) -> bool:
    """Whether the cloud is an endpoint without TLS, as an emulator is."""
    return (switch.endpoint_url or "").startswith("http://")
