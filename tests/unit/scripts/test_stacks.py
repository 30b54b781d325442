"""Stacks in the states that an interrupted run leaves them in."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from botocore.exceptions import ClientError, WaiterError

from contract.names import Names
from scripts.console import Progress
from scripts.provision.devices import device_ids
from scripts.provision.stacks import StackFailed, Stacks

QUIET = Progress(quiet=True)


class CloudFormation:
    """One stack that goes through `states`, one for each look at it."""

    def __init__(self, *states: str | None, events=(), failing_waits: int = 0):
        self._states = list(states)
        self._events = list(events)
        self._failing_waits = failing_waits
        self.did: list[str] = []

    def describe_stacks(self, **asked):
        state = self._states.pop(0) if len(self._states) > 1 else self._states[0]
        if state is None:
            raise ClientError(
                {"Error": {"Code": "ValidationError", "Message": "Stack x does not exist"}}, "D"
            )
        return {
            "Stacks": [{"StackName": asked["StackName"], "StackId": "id", "StackStatus": state}]
        }

    def create_stack(self, **request):
        self.did.append("create")
        return {"StackId": "id"}

    def update_stack(self, **request):
        self.did.append("update")
        return {"StackId": "id"}

    def delete_stack(self, **asked):
        self.did.append("delete")
        self._states = [None]

    def get_waiter(self, name: str):
        def wait(**_):
            self.did.append(name)
            if self._failing_waits:
                self._failing_waits -= 1
                self._states = ["DELETE_FAILED"]
                raise WaiterError(name, "it failed", {})

        return SimpleNamespace(wait=wait)

    def get_paginator(self, name: str):
        return SimpleNamespace(paginate=lambda **_: [{"StackEvents": self._events}])


def stacks(cloudformation: CloudFormation) -> Stacks:
    switch = SimpleNamespace(
        client=lambda _: cloudformation, is_aws=True, endpoint_url="http://127.0.0.1:1"
    )
    return Stacks(switch, QUIET)


def deploy(cloudformation: CloudFormation) -> list[str]:
    stacks(cloudformation).deploy("x", "device.yaml", {})
    return cloudformation.did


def test_stack_that_is_just_being_made_is_waited_for():
    did = deploy(CloudFormation("CREATE_IN_PROGRESS", "CREATE_IN_PROGRESS", "CREATE_COMPLETE"))
    assert did == ["update", "stack_update_complete"]


@pytest.mark.parametrize(
    "status",
    ["CREATE_FAILED", "ROLLBACK_COMPLETE", "DELETE_FAILED", "REVIEW_IN_PROGRESS",
     "UPDATE_ROLLBACK_FAILED"],
)  # fmt: skip
def test_stack_that_takes_no_update_is_made_anew(status):
    assert deploy(CloudFormation(status)) == [
        *("delete", "stack_delete_complete"),
        *("create", "stack_create_complete"),
    ]


def test_stack_that_was_rolled_back_to_what_it_was_is_updated():
    assert deploy(CloudFormation("UPDATE_ROLLBACK_COMPLETE"))[0] == "update"


def test_refusal_to_look_is_not_taken_for_absence():
    cloudformation = CloudFormation("CREATE_COMPLETE")

    def refuse(**asked):
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "DescribeStacks")

    cloudformation.describe_stacks = refuse
    with pytest.raises(ClientError, match="AccessDenied"):
        deploy(cloudformation)
    assert cloudformation.did == []


def test_failed_deletion_is_tried_once_more():
    cloudformation = CloudFormation("CREATE_COMPLETE", failing_waits=1)
    assert stacks(cloudformation).delete("x")
    assert cloudformation.did.count("delete") == 2
    with pytest.raises(StackFailed, match="x"):
        stacks(CloudFormation("CREATE_COMPLETE", failing_waits=2)).delete("x")


def event(resource: str, status: str, reason: str = "") -> dict:
    return {"LogicalResourceId": resource, "ResourceStatus": status, "ResourceStatusReason": reason}


def test_reason_is_the_first_failure_of_this_operation_not_of_an_older_one():
    newest_first = [
        event("x", "CREATE_FAILED", "The following resources failed"),
        event("Bucket", "CREATE_FAILED", "Resource creation cancelled"),
        event("Role", "CREATE_FAILED", "not authorized to perform: iam:CreateRole"),
        event("x", "CREATE_IN_PROGRESS", "User Initiated"),
        event("Queue", "CREATE_FAILED", "of last week"),
        event("x", "CREATE_IN_PROGRESS", "User Initiated"),
    ]
    cloudformation = CloudFormation(None, events=newest_first, failing_waits=1)
    with pytest.raises(StackFailed, match="Role: not authorized") as failed:
        deploy(cloudformation)
    assert "make aws-up" in failed.value.hint


def test_queue_that_was_just_deleted_takes_a_minute():
    said = "You must wait 60 seconds after deleting a queue before you can create another"
    cloudformation = CloudFormation(
        None, events=[event("Results", "CREATE_FAILED", said)], failing_waits=1
    )
    with pytest.raises(StackFailed, match="60 seconds") as failed:
        deploy(cloudformation)
    assert "wait a minute" in failed.value.hint


def test_devices_are_told_by_parameters_not_by_the_name_alone():
    def stack(name: str, **parameters: str) -> dict:
        rows = [{"ParameterKey": k, "ParameterValue": v} for k, v in parameters.items()]
        return {"StackName": name, "StackStatus": "CREATE_COMPLETE", "Parameters": rows}

    page = {
        "Stacks": [
            stack("facelab", Prefix="facelab"),
            stack("facelab-device-b", Prefix="facelab", DeviceId="b"),
            stack("facelab-device-a", Prefix="facelab", DeviceId="a"),
            stack("facelab-device-x", Prefix="facelab-device-x"),
            stack("facelab-device-device-a", Prefix="facelab-device", DeviceId="a"),
            {"StackName": "somebody's", "StackStatus": "CREATE_COMPLETE"},
        ]
    }
    cloudformation = SimpleNamespace(
        get_paginator=lambda _: SimpleNamespace(paginate=lambda: [page])
    )
    switch = SimpleNamespace(
        client=lambda _: cloudformation, is_aws=False, endpoint_url=None, names=Names()
    )
    assert device_ids(switch, QUIET) == ["a", "b"]
