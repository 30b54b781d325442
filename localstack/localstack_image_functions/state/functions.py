"""Functions and stacks, which go on changing after a request was answered: whether they do.

And what an end in the middle of a change leaves behind, put right.
"""

from __future__ import annotations

import dataclasses
import logging

from localstack.aws.api.cloudformation import ChangeSetStatus, ExecutionStatus
from localstack.aws.api.lambda_ import LastUpdateStatus, ResourceNotFoundException, State
from localstack.services.lambda_.invocation.lambda_models import FunctionVersion, UpdateStatus
from localstack.services.lambda_.invocation.models import lambda_stores
from localstack.services.lambda_.provider_utils import get_function_version_from_arn

from localstack_image_functions.state.codec import Omissions

LOG = logging.getLogger(__name__)

# What a change set has computed serves its execution alone, and is large. (By name: importing
# CloudFormation takes most of a second, which a start without changes can do without.)
OMISSIONS: Omissions = {
    "localstack.services.cloudformation.v2.entities:ChangeSet": {"update_model": lambda: None}
}
INTERRUPTED = "the emulator ended in the middle of this"
AFTER_INTERRUPTION = {
    "CREATE_IN_PROGRESS": "CREATE_FAILED",
    "UPDATE_IN_PROGRESS": "UPDATE_FAILED",
    "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS": "UPDATE_COMPLETE",
    "DELETE_IN_PROGRESS": "DELETE_FAILED",
    "ROLLBACK_IN_PROGRESS": "ROLLBACK_FAILED",
    "UPDATE_ROLLBACK_IN_PROGRESS": "UPDATE_ROLLBACK_FAILED",
}
MAKING_CHANGE_SET = {ChangeSetStatus.CREATE_PENDING, ChangeSetStatus.CREATE_IN_PROGRESS}
MAPPING_CHANGES = {"Creating", "Enabling", "Disabling", "Updating", "Deleting"}


def are_stacks_changing() -> bool:
    """Whether a stack or a change set is in the middle of a change."""
    from localstack.services.cloudformation.stores import cloudformation_stores

    return any(
        any(stack.status in AFTER_INTERRUPTION for stack in list(store.stacks_v2.values()))
        or any(one.status in MAKING_CHANGE_SET for one in list(store.change_sets.values()))
        for _, _, store in cloudformation_stores.iter_stores()
    )


def are_functions_changing() -> bool:
    """Whether a function or an event source mapping is in the middle of a change."""
    return any(
        any(
            _is_changing(version)
            for function in list(store.functions.values())
            for version in list(function.versions.values())
        )
        or any(
            one["State"] in MAPPING_CHANGES for one in list(store.event_source_mappings.values())
        )
        for _, _, store in lambda_stores.iter_stores()
    )


def _is_changing(version: FunctionVersion) -> bool:
    state, update = version.config.state, version.config.last_update
    return bool(
        (state and state.state == State.Pending)
        or (update and update.status == LastUpdateStatus.InProgress)
    )


def end_interrupted_stacks() -> None:
    """Say of stacks that were being changed that this failed: nothing will ever end it."""
    from localstack.services.cloudformation.stores import cloudformation_stores

    for _, _, store in cloudformation_stores.iter_stores():
        for stack in store.stacks_v2.values():
            if stack.status in AFTER_INTERRUPTION:
                LOG.warning("stack %s was %s: %s", stack.stack_name, stack.status, INTERRUPTED)
                stack.status = AFTER_INTERRUPTION[stack.status]
                stack.status_reason = INTERRUPTED
        for change_set in store.change_sets.values():
            if change_set.execution_status == ExecutionStatus.AVAILABLE:
                change_set.status = ChangeSetStatus.FAILED
                change_set.status_reason = f"{INTERRUPTED}: make it anew"
                change_set.execution_status = ExecutionStatus.UNAVAILABLE


def resume_functions() -> None:
    """Put right what an end left: updates are done, mappings that lead nowhere are gone."""
    _end_interrupted_updates()
    _forget_mappings_of_nothing()


def _forget_mappings_of_nothing() -> None:
    """A mapping outlives its function, as on AWS, but LocalStack can't start with one."""
    for account, region, store in lambda_stores.iter_stores():
        for name, mapping in list(store.event_source_mappings.items()):
            if mapping["State"] != "Deleting" and _is_there(mapping["FunctionArn"]):
                continue
            LOG.warning(
                "the event source mapping %s (%s, %s) is forgotten: it was being deleted, or %s is "
                "not there",
                *(name, account, region, mapping["FunctionArn"]),
            )
            del store.event_source_mappings[name]


def _is_there(function_arn: str) -> bool:
    try:
        return get_function_version_from_arn(function_arn) is not None
    except ResourceNotFoundException:
        return False


def _end_interrupted_updates() -> None:
    for _, _, functions in lambda_stores.iter_stores():
        for function in functions.functions.values():
            for name, version in list(function.versions.items()):
                update = version.config.last_update
                if update and update.status == LastUpdateStatus.InProgress:
                    done = UpdateStatus(status=LastUpdateStatus.Successful)
                    config = dataclasses.replace(version.config, last_update=done)
                    function.versions[name] = dataclasses.replace(version, config=config)
