"""CloudFormation stacks: deploy what changed, delete without a trace."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError, WaiterError

from cloud.switch import Switch
from scripts.console import Progress
from scripts.errors import LabError
from scripts.provision.lambda_variables import check_variables

TEMPLATES = Path(__file__).parent
# Such a stack takes no update; only deleting it helps.
BROKEN = {
    "CREATE_FAILED",
    "DELETE_FAILED",
    "REVIEW_IN_PROGRESS",
    "ROLLBACK_COMPLETE",
    "ROLLBACK_FAILED",
    "UPDATE_ROLLBACK_FAILED",
}
PATIENCE_S = 1200


class StackFailed(LabError):
    """CloudFormation could not bring a stack to the state that its template asks for."""


class Stacks:
    """The stacks of one lab."""

    def __init__(self, switch: Switch, progress: Progress):
        self._cloudformation = switch.client("cloudformation")
        self._progress = progress
        # The emulator answers in milliseconds; AWS throttles those who ask too often.
        self._delay_s = 2 if switch.is_aws and not switch.endpoint_url else 0.2
        self._hint = (
            "`make aws-up` tries again, `make aws-down` clears it away"
            if switch.is_aws
            else "`make logs ARGS=--emulator` shows more; `make down ARGS=--forget` starts afresh"
        )

    def describe(self, name: str) -> dict[str, Any] | None:
        """The stack as CloudFormation describes it, None when there is none."""
        try:
            stack = self._cloudformation.describe_stacks(StackName=name)["Stacks"][0]
        except ClientError as error:
            if "does not exist" in str(error):
                return None
            raise
        return None if stack["StackStatus"] == "DELETE_COMPLETE" else stack

    def status(self, name: str) -> str | None:
        stack = self.describe(name)
        return stack["StackStatus"] if stack else None

    def all(self) -> Iterator[dict[str, Any]]:
        """Every stack of this account and region, also those of others."""
        for page in self._cloudformation.get_paginator("describe_stacks").paginate():
            yield from (s for s in page["Stacks"] if s["StackStatus"] != "DELETE_COMPLETE")

    def deploy(self, name: str, template: str, parameters: dict[str, str]) -> bool:
        """Create or update stack `name` from `template`; False when nothing had changed.

        What an interrupted run began is waited for, what it broke is deleted first.

        Raises
        ------
        StackFailed
            With the resource and CloudFormation's reason.
        ReservedVariable
            When a function would get a variable that AWS does not take.
        """
        body = (TEMPLATES / template).read_text()
        check_variables(body)
        request: dict[str, Any] = {
            "StackName": name,
            "TemplateBody": body,
            "Parameters": [
                {"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()
            ],
            "Capabilities": ["CAPABILITY_IAM"],
        }
        status = self._settled(name)
        if status in BROKEN:
            self._progress(f"stack {name} is {status}: deleting it first")
            self.delete(name)
            status = None
        if status is None:
            self._progress(f"creating stack {name}")
            stack_id = self._cloudformation.create_stack(**request, OnFailure="DO_NOTHING")
            self._wait(name, stack_id["StackId"], "stack_create_complete")
            return True
        try:
            stack_id = self._cloudformation.update_stack(**request)
        except ClientError as error:
            if "No updates are to be performed" in str(error):
                self._progress(f"stack {name} is up to date")
                return False
            raise
        self._progress(f"updating stack {name}")
        self._wait(name, stack_id["StackId"], "stack_update_complete")
        return True

    def delete(self, name: str) -> bool:
        """Delete the stack and wait until it is gone; False when there was none.

        What failed is tried once more: resources of a stack that was made by half, or that
        depended on each other, often go then.

        Raises
        ------
        StackFailed
            With the resource that stays, and why.
        """
        if self._settled(name) is None:
            return False
        self._progress(f"deleting stack {name}")
        try:
            self._delete_once(name)
        except StackFailed:
            self._delete_once(name)
        return True

    def _delete_once(self, name: str) -> None:
        self._settled(name)
        stack = self.describe(name)
        if stack is not None:
            self._cloudformation.delete_stack(StackName=name)
            self._wait(name, stack["StackId"], "stack_delete_complete")

    def _settled(self, name: str) -> str | None:
        """The stack's status once no operation is under way."""
        deadline = time.monotonic() + PATIENCE_S
        told = False
        while True:
            status = self.status(name)
            under_way = (status or "").endswith("_IN_PROGRESS") and status not in BROKEN
            if not under_way:
                return status
            if time.monotonic() > deadline:
                raise StackFailed(f"stack {name} is still {status}", self._hint)
            if not told:
                self._progress(f"stack {name} is {status}: waiting for that to end")
                told = True
            time.sleep(self._delay_s)  # between polls of a condition, with a deadline

    def _wait(self, name: str, stack_id: str, waiter: str) -> None:
        waiting = {"Delay": self._delay_s, "MaxAttempts": round(PATIENCE_S / self._delay_s)}
        try:
            # By id: under its name a deleted stack can't be asked about any more.
            self._cloudformation.get_waiter(waiter).wait(StackName=stack_id, WaiterConfig=waiting)
        except WaiterError as error:
            reason = str(self._first_failure(name, stack_id) or error)
            # SQS keeps the name of a deleted queue for a minute.
            hint = "wait a minute, then again" if "60 seconds" in reason else self._hint
            raise StackFailed(f"stack {name}: {reason}", hint) from error

    def _first_failure(self, name: str, stack_id: str) -> str | None:
        """Why the latest operation failed: its first failure, the rest follows from it."""
        reason = None
        with contextlib.suppress(ClientError):
            pages = self._cloudformation.get_paginator("describe_stack_events").paginate(
                StackName=stack_id
            )
            for event in (event for page in pages for event in page["StackEvents"]):
                status = event["ResourceStatus"]
                if status.endswith("FAILED"):
                    why = event.get("ResourceStatusReason", "no reason given")
                    reason = f"{event['LogicalResourceId']}: {why}"
                begun = status in ("CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "DELETE_IN_PROGRESS")
                if begun and event["LogicalResourceId"] == name:
                    break
        return reason
