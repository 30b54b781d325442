"""Watches LocalStack's resource providers: no property of a template is passed over in silence."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from localstack_image_functions.stacks.deleted import forget_deleted_stacks
from localstack_image_functions.stacks.resource import Apply, NotUpdated, Properties, Resource

LOG = logging.getLogger(__name__)

UPDATES = {"Modify", "Dynamic"}
READ, ASKED = "image-functions:read", "image-functions:asked"
"""Where a payload, which comes again while a resource is being made, says what was looked at, and
what the template has of it: the provider adds what it made, such as an ARN."""


class Watched(dict[str, Any]):
    """Properties that remember which of them somebody has looked at."""

    def __init__(self, properties: Mapping[str, Any], read: set[str]):
        super().__init__(properties)
        self._read = read

    def __getitem__(self, name: str) -> Any:
        self._read.add(name)
        return super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:
        self._read.add(name)
        return super().get(name, default)

    def pop(self, name: str, *default: Any) -> Any:
        self._read.add(name)
        return super().pop(name, *default)

    # Whoever takes all may do something with each.
    def __iter__(self) -> Iterator[str]:
        self._read.update(super().keys())
        return super().__iter__()

    def keys(self) -> Any:
        self._read.update(super().keys())
        return super().keys()

    def items(self) -> Any:
        self._read.update(super().keys())
        return super().items()

    def values(self) -> Any:
        self._read.update(super().keys())
        return super().values()

    def copy(self) -> dict[str, Any]:
        return dict(self.items())

    def unlooked(self) -> Properties:
        """The same without a memory. A provider that comes again has not looked at all of them."""
        return dict(super().items())

    def __reduce__(self) -> Any:
        return dict, (dict(self.items()),)


class _Provider:
    """One of LocalStack's providers, and why it did not update: it had no way to, or failed, of
    which LocalStack says that it failed to delete."""

    def __init__(self, provider: Any):
        self._provider = provider
        self.can_not_update = False
        self.failure: Exception | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._provider, name)

    def update(self, request: Any) -> Any:
        try:
            return self._provider.update(request)
        except NotImplementedError:
            self.can_not_update = True
            raise
        except Exception as error:
            self.failure = error
            raise


def apply_what_templates_say() -> None:
    """Do so from the moment when CloudFormation is first used; importing it takes a second."""
    from localstack.services.plugins import ServiceContainer

    original = ServiceContainer.start
    watched: list[bool] = []

    def start(container: ServiceContainer) -> bool:
        if container.service.name() == "cloudformation" and not watched:
            watched.append(True)
            _watch_resources()
            _watch_updates()
            _remove_what_lost_its_condition()
            forget_deleted_stacks(container.service.skeleton.dispatch_table)
        return original(container)

    ServiceContainer.start = start


def _watch_resources() -> None:
    from localstack.services.cloudformation import provider_utils
    from localstack.services.cloudformation.resource_provider import (
        OperationStatus,
        ProgressEvent,
        ResourceProviderExecutor,
        convert_payload,
    )

    from localstack_image_functions.stacks.resources import RESOURCES

    original = ResourceProviderExecutor.execute_action
    provider_utils.select_attributes = _select

    def execute_action(executor: Any, provider: Any, payload: Any) -> Any:
        data, kind = payload["requestData"], payload["resourceType"]
        given, before = dict(data["resourceProperties"] or {}), _before(data)
        resource = RESOURCES.get(kind, Resource())
        request = convert_payload(executor.stack_name, executor.stack_id, payload)
        request.desired_state = given
        try:
            if instead := resource.instead(payload["action"]):
                _keep_identity(given, before, provider)
                instead(request)
                return ProgressEvent(OperationStatus.SUCCESS, resource_model=given)
            noticed, read = _Provider(provider), payload.setdefault(READ, set())
            asked = payload.setdefault(ASKED, set(given))
            data["resourceProperties"] = Watched(given, read)
            event = original(executor, noticed, payload)
            passed_over = asked - read - resource.completed
            if isinstance(event.resource_model, Watched):
                event.resource_model = event.resource_model.unlooked()
            if noticed.can_not_update:
                _refuse_change(kind, given, before)
            if noticed.failure and event.status is OperationStatus.FAILED:
                event.message = str(noticed.failure)
            if event.status is not OperationStatus.SUCCESS:
                return event
            if payload["action"] == "Add":
                given |= event.resource_model or {}
                if resource.complete:
                    _complete(resource.complete, request, provider)
                _tell(kind, data["logicalResourceId"], passed_over)
            elif resource.changed and payload["action"] in UPDATES:
                _keep_identity(given, before, provider)
                resource.changed(request)
            return event
        except (NotUpdated, ClientError, BotoCoreError) as error:
            return ProgressEvent(OperationStatus.FAILED, resource_model={}, message=str(error))

    ResourceProviderExecutor.execute_action = execute_action


def _select(model: Properties, params: list[str]) -> Properties:
    """LocalStack's helper of that name goes through all properties to take some. Who calls it may
    name the arguments."""
    return {name: model[name] for name in params if name in model}


def _complete(complete: Apply, request: Any, provider: Any) -> None:
    """What can't be completed is not left behind, where nobody would know whose it is."""
    try:
        complete(request)
    except Exception:
        request.previous_state = request.desired_state
        provider.delete(request)
        raise


def _watch_updates() -> None:
    """Let a stack whose update failed say so: UpdateStack does not look at how it went."""
    from localstack.aws.api.cloudformation import StackStatus
    from localstack.services.cloudformation.engine.v2.change_set_model_executor import (
        ChangeSetModelExecutor,
    )
    from localstack.services.cloudformation.stores import cloudformation_stores

    original = ChangeSetModelExecutor.execute

    def execute(executor: Any) -> Any:
        change_set = executor._change_set
        stack = change_set.stack
        if stack.status == StackStatus.DELETE_IN_PROGRESS:
            _leave_out_what_was_never_made(change_set)
        store = cloudformation_stores[stack.account_id][stack.region_name]
        # One that a person made is executed by ExecuteChangeSet, which looks.
        by_update = (
            stack.status == StackStatus.UPDATE_IN_PROGRESS
            and change_set.change_set_id not in store.change_sets
        )
        result = original(executor)
        if by_update and result.failure_message:
            raise NotUpdated(result.failure_message)
        if not result.failure_message and stack.status in _DEPLOYING:
            _write_down(stack, change_set, result)
        return result

    ChangeSetModelExecutor.execute = execute


_DEPLOYING = ("CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS")


def _write_down(stack: Any, change_set: Any, result: Any) -> None:
    """Let a stack have what was deployed before it says that it is complete. LocalStack says so
    first, and an update that comes at once is compared with what was there before."""
    stack.resolved_resources = result.resources
    stack.resolved_outputs = result.outputs
    stack.template = change_set.template
    stack.template_body = change_set.template_body
    stack.resolved_parameters = change_set.resolved_parameters


def _remove_what_lost_its_condition() -> None:
    """LocalStack leaves out resources whose condition does not hold, also those that it made when
    it did, and says that the stack is updated."""
    from localstack.services.cloudformation.engine.v2.change_set_model import is_nothing
    from localstack.services.cloudformation.engine.v2.change_set_model_preproc import (
        ChangeSetModelPreproc,
    )

    def visit_node_resources(visitor: Any, node_resources: Any) -> None:
        for resource in node_resources.resources:
            reference = resource.condition_reference
            if not is_nothing(reference):
                holds = visitor._resolve_resource_condition_reference(reference)
                if holds.after is False and holds.before is not True:
                    continue
            visitor.visit(resource)

    ChangeSetModelPreproc.visit_node_resources = visit_node_resources


def _leave_out_what_was_never_made(change_set: Any) -> None:
    """Of a stack that was made by half: LocalStack ends at the first resource that names one which
    is not there, leaves the rest as it is and says that all is deleted."""
    made = change_set.stack.resolved_resources
    resources = change_set.update_model.node_template.resources.resources
    if made:
        resources[:] = [one for one in resources if "PhysicalResourceId" in made.get(one.name, ())]


def _before(data: Mapping[str, Any]) -> Properties:
    return data.get("previousResourceProperties") or {}


def _keep_identity(given: Properties, previous: Properties, provider: Any) -> None:
    kept = _identity(previous, provider.SCHEMA)
    given |= {name: value for name, value in kept.items() if name not in given}


def _identity(previous: Properties, schema: Mapping[str, Any]) -> Properties:
    """What of a resource no template need say: names that were made up, ARNs."""
    paths = [*schema.get("readOnlyProperties", ()), *schema.get("primaryIdentifier", ())]
    names = {path.removeprefix("/properties/") for path in paths} | {"Id", "Arn"}
    return {name: value for name, value in previous.items() if name in names}


def _refuse_change(kind: str, wanted: Properties, previous: Properties) -> None:
    changed = sorted(name for name, value in wanted.items() if previous.get(name) != value)
    if changed:
        raise NotUpdated(
            f"LocalStack can't update {kind} ({', '.join(changed)}): give the resource another"
            " logical id and name, or delete the stack and make it anew"
        )


def _tell(kind: str, logical_id: str, passed_over: set[str]) -> None:
    if passed_over:
        names = ", ".join(sorted(passed_over))
        LOG.warning("%s %s: LocalStack does nothing with %s", kind, logical_id, names)
