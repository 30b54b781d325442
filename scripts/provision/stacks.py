"""CloudFormation stacks: deploy what changed, delete without leavings."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError, WaiterError

from contract.switch import Switch
from scripts.console import LabError, Progress

TEMPLATES = Path(__file__).parent
BROKEN = {"ROLLBACK_COMPLETE", "CREATE_FAILED", "DELETE_FAILED", "ROLLBACK_FAILED"}


class StackFailed(LabError):
    """CloudFormation could not bring a stack to the state that its template asks for."""


class Stacks:
    """The stacks of one lab."""

    def __init__(self, switch: Switch, progress: Progress):
        self._cloudformation = switch.client("cloudformation")
        # The emulator answers in milliseconds; AWS throttles those who ask too often.
        self._waiting = (
            {"Delay": 5, "MaxAttempts": 240}
            if switch.is_aws and not switch.endpoint_url
            else {"Delay": 0.2, "MaxAttempts": 600}
        )
        self._progress = progress

    def status(self, name: str) -> str | None:
        """The stack's status, None when there is none."""
        with contextlib.suppress(ClientError):
            status = self._cloudformation.describe_stacks(StackName=name)["Stacks"][0][
                "StackStatus"
            ]
            return None if status == "DELETE_COMPLETE" else status
        return None

    def deploy(self, name: str, template: str, parameters: dict[str, str]) -> bool:
        """Create or update stack `name` from `template`; False when nothing had changed.

        Raises
        ------
        StackFailed
            With the resource and CloudFormation's reason.
        """
        request: dict[str, Any] = {
            "StackName": name,
            "TemplateBody": (TEMPLATES / template).read_text(),
            "Parameters": [
                {"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()
            ],
            "Capabilities": ["CAPABILITY_IAM"],
        }
        status = self.status(name)
        if status in BROKEN:  # such a stack takes no update
            self._progress(f"stack {name} is {status}: deleting it first")
            self.delete(name)
            status = None
        if status is None:
            self._progress(f"creating stack {name}")
            self._cloudformation.create_stack(**request, OnFailure="DO_NOTHING")
            self._wait(name, "stack_create_complete")
            return True
        try:
            self._cloudformation.update_stack(**request)
        except ClientError as error:
            if "No updates are to be performed" in str(error):
                self._progress(f"stack {name} is up to date")
                return False
            raise
        self._progress(f"updating stack {name}")
        self._wait(name, "stack_update_complete")
        return True

    def delete(self, name: str) -> None:
        if self.status(name) is None:
            return
        self._progress(f"deleting stack {name}")
        self._cloudformation.delete_stack(StackName=name)
        self._wait(name, "stack_delete_complete")

    def _wait(self, name: str, waiter: str) -> None:
        try:
            self._cloudformation.get_waiter(waiter).wait(StackName=name, WaiterConfig=self._waiting)
        except WaiterError as error:
            raise StackFailed(
                f"stack {name}: {self._first_failure(name) or error}",
                "`make logs` shows the emulator's side; `make down` starts afresh",
            ) from error

    def _first_failure(self, name: str) -> str | None:
        with contextlib.suppress(ClientError):
            events = self._cloudformation.describe_stack_events(StackName=name)["StackEvents"]
            for event in reversed(events):
                if event["ResourceStatus"].endswith("FAILED"):
                    reason = event.get("ResourceStatusReason", "no reason given")
                    return f"{event['LogicalResourceId']}: {reason}"
        return None
