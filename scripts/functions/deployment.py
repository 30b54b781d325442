"""Deploy a function that somebody brought, by what any AWS account offers."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cloud.switch import Switch
from localstack_image_functions.bounds.reserved import VARIABLES
from scripts.console import Progress
from scripts.errors import LabError
from scripts.functions import roles, triggers
from scripts.functions.images import FolderPublisher, repository_name
from scripts.functions.triggers import Target, Trigger

NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
VARIABLE = re.compile(r"[a-zA-Z][a-zA-Z0-9_]*")
DEFAULT_MEMORY_MB = 1024
DEFAULT_TIMEOUT_S = 60
SETTLED_WITHIN_S = 300.0


class NotDeployable(LabError):
    """A name or a setting that Lambda would refuse."""


class NoSuchFunction(LabError):
    """The lab has no function of that name."""


class DeploymentFailed(LabError):
    """Lambda took the function and could not make it ready."""


@dataclass(frozen=True)
class Wanted:
    """A function as it is wanted. What is None stays as it is, or is the default of a new one."""

    name: str
    folder: Path
    triggers: tuple[Trigger, ...] = ()
    memory_mb: int | None = None
    timeout_s: int | None = None
    environment: Mapping[str, str] | None = None
    allowed: tuple[str, ...] = ()
    role: str | None = None
    build_arguments: Mapping[str, str] = field(default_factory=dict)

    def check(self) -> None:
        """Refuse now what Lambda would refuse after the image was built.

        Raises
        ------
        NotDeployable
        """
        check_name(self.name)
        if self.memory_mb is not None and not 128 <= self.memory_mb <= 10_240:
            raise NotDeployable(f"MEMORY={self.memory_mb}: Lambda takes 128 to 10240 MB")
        if self.timeout_s is not None and not 1 <= self.timeout_s <= 900:
            raise NotDeployable(f"TIMEOUT={self.timeout_s}: Lambda takes 1 to 900 seconds")
        for name in self.environment or ():
            if name in VARIABLES:
                raise NotDeployable(f"ENV: {name} is Lambda's own", "give it another name")
            if not VARIABLE.fullmatch(name):
                raise NotDeployable(f"ENV: {name!r} is no name of a variable")
        for service in self.allowed:
            if service not in roles.DATA_OF:
                known = ", ".join(roles.DATA_OF)
                raise NotDeployable(f"ALLOW={service} is not known", f"there are {known}")


@dataclass(frozen=True)
class Deployed:
    """What is in service now."""

    name: str
    arn: str
    image: str
    notes: tuple[str, ...]
    triggers: tuple[str, ...]
    was_there: bool


def check_name(name: str) -> None:
    if not NAME.fullmatch(name):
        raise NotDeployable(
            f"NAME={name!r} is no name of a function", "1 to 64 letters, digits, - and _"
        )


def deploy(
    switch: Switch, wanted: Wanted, publisher: FolderPublisher, progress: Progress
) -> Deployed:
    """Bring the function to what is wanted, with all that it needs.

    Raises
    ------
    NotDeployable, DeploymentFailed
        Beside what publishers and triggers raise.
    """
    wanted.check()
    if wanted.name in (switch.names.function, switch.names.reconciler):
        raise NotDeployable(f"{wanted.name} is the lab's own function", "take another NAME=")
    published = publisher.publish(switch, wanted.name, wanted.folder, wanted.build_arguments)
    for note in published.notes:
        progress(note)
    sources = [arn for one in wanted.triggers if (arn := one.source(switch))]
    role = wanted.role or roles.make_role(switch, wanted.name, wanted.allowed, sources, progress)
    client = switch.client("lambda")
    settings = _settings(wanted)
    try:
        before = client.get_function_configuration(FunctionName=wanted.name)
    except client.exceptions.ResourceNotFoundException:
        before = None
    if before is None:
        defaults = {"MemorySize": DEFAULT_MEMORY_MB, "Timeout": DEFAULT_TIMEOUT_S}
        roles.when_known(
            lambda: client.create_function(
                FunctionName=wanted.name,
                PackageType="Image",
                Code={"ImageUri": published.image.uri},
                Architectures=[published.image.architecture],
                Role=role,
                **(defaults | settings),
            )
        )
    else:
        _update(client, wanted.name, published.image.uri, before, settings | {"Role": role})
    function = wait_until_settled(client, wanted.name)
    target = Target(wanted.name, function["FunctionArn"], function["Timeout"])
    for trigger in wanted.triggers:
        trigger.wire(switch, target, progress)
    verb = "deployed" if before is None else "updated"
    progress(f"{verb} {wanted.name}: {published.image.uri.rpartition('@')[2][:19]}…")
    return Deployed(
        wanted.name,
        target.arn,
        published.image.uri,
        published.notes,
        tuple(triggers.describe(switch, target)),
        before is not None,
    )


def _settings(wanted: Wanted) -> dict[str, Any]:
    settings: dict[str, Any] = {}
    if wanted.memory_mb is not None:
        settings["MemorySize"] = wanted.memory_mb
    if wanted.timeout_s is not None:
        settings["Timeout"] = wanted.timeout_s
    if wanted.environment is not None:
        settings["Environment"] = {"Variables": dict(wanted.environment)}
    return settings


def _update(
    client: Any, name: str, uri: str, before: Mapping[str, Any], settings: Mapping[str, Any]
) -> None:
    if before["PackageType"] != "Image":
        raise NotDeployable(
            f"{name} is a zip function, which can't become an image",
            f"`make delete-function NAME={name}`, then again, or take another NAME=",
        )
    changed = {key: value for key, value in settings.items() if before.get(key) != value}
    if changed:
        client.update_function_configuration(FunctionName=name, **changed)
        wait_until_settled(client, name)
    client.update_function_code(FunctionName=name, ImageUri=uri)


def wait_until_settled(client: Any, name: str) -> dict[str, Any]:
    """The function's configuration, once it is ready to be invoked.

    Raises
    ------
    DeploymentFailed
    """
    deadline = time.monotonic() + SETTLED_WITHIN_S
    pause = 0.01
    while True:
        now = client.get_function_configuration(FunctionName=name)
        update = now.get("LastUpdateStatus", "Successful")
        if now["State"] == "Failed" or update == "Failed":
            reason = (
                now.get("StateReason") or now.get("LastUpdateStatusReason") or "no reason given"
            )
            raise DeploymentFailed(f"{name} did not become ready: {reason}")
        if now["State"] != "Pending" and update != "InProgress":
            return now
        if time.monotonic() > deadline:
            raise DeploymentFailed(f"{name} is {now['State']} after {SETTLED_WITHIN_S:.0f} s")
        time.sleep(pause)  # between polls of a condition, with a deadline
        pause = min(pause * 1.5, 1.0)


def find(switch: Switch, name: str) -> Target:
    """The function of that name.

    Raises
    ------
    NoSuchFunction
    """
    check_name(name)
    client = switch.client("lambda")
    try:
        found = client.get_function_configuration(FunctionName=name)
    except client.exceptions.ResourceNotFoundException:
        raise NoSuchFunction(
            f"there is no function {name}", "`make functions` lists them"
        ) from None
    return Target(name, found["FunctionArn"], found["Timeout"])


def delete(switch: Switch, name: str, progress: Progress) -> None:
    """Remove the function and what was made for it; buckets and queues stay, with what they hold.

    Raises
    ------
    NoSuchFunction, NotDeployable
    """
    if name in (switch.names.function, switch.names.reconciler):
        raise NotDeployable(f"{name} is the lab's own function", "`make down` stops the lab")
    target = find(switch, name)
    triggers.unwire(switch, target, progress)
    switch.client("lambda").delete_function(FunctionName=name)
    progress(f"deleted function {name}")
    ecr, logs = switch.client("ecr"), switch.client("logs")
    with contextlib.suppress(ecr.exceptions.RepositoryNotFoundException):
        ecr.delete_repository(repositoryName=repository_name(switch, name), force=True)
    _quietly(logs, lambda: logs.delete_log_group(logGroupName=log_group(name)))
    roles.delete_role(switch, name, progress)


def _quietly(logs: Any, call: Callable[[], Any]) -> None:
    with contextlib.suppress(logs.exceptions.ResourceNotFoundException):
        call()


def log_group(name: str) -> str:
    return f"/aws/lambda/{name}"
