"""Stacks that were deleted: described to who asks by their id, and left out of the list of all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

KEPT = 50
"""AWS keeps them for 90 days. A lab makes hundreds in an hour, and each is state to be written."""
DELETED = "DELETE_COMPLETE"


Handler = Callable[[Any, Any], Any]


def forget_deleted_stacks(handlers: dict[str, Handler]) -> None:
    """Keep the newest deleted stacks only, and leave them out where no stack is named.

    `handlers` are CloudFormation's, by operation.
    """
    handlers["DescribeStacks"] = _without_deleted(handlers["DescribeStacks"])
    handlers["DeleteStack"] = _with_pruning(handlers["DeleteStack"])


def _without_deleted(describe: Handler) -> Handler:
    def describe_stacks(context: Any, request: Any) -> Any:
        found = describe(context, request)
        if not request.get("StackName"):
            found["Stacks"] = [one for one in found["Stacks"] if one["StackStatus"] != DELETED]
        return found

    return describe_stacks


def _with_pruning(delete: Handler) -> Handler:
    def delete_stack(context: Any, request: Any) -> Any:
        from localstack.services.cloudformation.stores import cloudformation_stores

        prune(cloudformation_stores[context.account_id][context.region])
        return delete(context, request)

    return delete_stack


def prune(store: Any, kept: int = KEPT) -> None:
    """Forget all deleted stacks of a store but the newest `kept`, and their change sets."""
    deleted = [one for one in list(store.stacks_v2.values()) if one.status == DELETED]
    deleted.sort(key=lambda stack: stack.deletion_time)
    gone = {stack.stack_id for stack in deleted[: max(0, len(deleted) - kept)]}
    for stack_id in gone:
        store.stacks_v2.pop(stack_id, None)
    for name, change_set in list(store.change_sets.items()):
        if change_set.stack.stack_id in gone:
            store.change_sets.pop(name, None)
