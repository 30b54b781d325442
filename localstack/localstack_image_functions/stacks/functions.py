"""AWS::Lambda::Function and Permission: the settings that LocalStack's providers pass over."""

from __future__ import annotations

import contextlib
from typing import Any

from localstack_image_functions.stacks.resource import Properties

CONFIGURATION = {
    "EphemeralStorage": "EphemeralStorage",
    "FileSystemConfigs": "FileSystemConfigs",
    "KmsKeyArn": "KMSKeyArn",
    "SnapStart": "SnapStart",
}
"""The template's names, and those of UpdateFunctionConfiguration."""
WITHOUT: Properties = {
    "EphemeralStorage": {"Size": 512},
    "FileSystemConfigs": [],
    "KmsKeyArn": "",
    "SnapStart": {"ApplyOn": "None"},
}
"""What a template means that does not name it."""
PERMISSION = (
    "Action", "EventSourceToken", "FunctionName", "FunctionUrlAuthType", "InvokedViaFunctionUrl",
    "Principal", "PrincipalOrgID", "SourceAccount", "SourceArn",
)  # fmt: skip
"""What a template says of a permission, and AddPermission takes by the same names."""
COMPLETED = frozenset({*CONFIGURATION, "ReservedConcurrentExecutions", "RecursiveLoop"})


def complete_function(request: Any) -> None:
    """Give a new function what the template says beside CreateFunction's parameters."""
    _apply(request, {})


def change_function(request: Any) -> None:
    """The same of one that was changed, and take away what the template names no more."""
    _apply(request, request.previous_state or {})


def create_permission(request: Any) -> None:
    """AWS::Lambda::Permission, with what LocalStack leaves out: whose bucket may invoke."""
    from localstack.services.cloudformation.provider_utils import generate_default_name

    wanted = request.desired_state
    wanted["Id"] = generate_default_name(request.stack_name, request.logical_resource_id)
    _permit(request)


def update_permission(request: Any) -> None:
    """Put it in the place of what it was."""
    lambda_ = request.aws_client_factory.lambda_
    before = {"FunctionName": request.previous_state["FunctionName"]}
    with contextlib.suppress(lambda_.exceptions.ResourceNotFoundException):
        lambda_.remove_permission(**before, StatementId=request.desired_state["Id"])
    _permit(request)


def _permit(request: Any) -> None:
    wanted = request.desired_state
    given = {name: wanted[name] for name in PERMISSION if name in wanted}
    request.aws_client_factory.lambda_.add_permission(StatementId=wanted["Id"], **given)


def _apply(request: Any, before: Properties) -> None:
    wanted, lambda_ = request.desired_state, request.aws_client_factory.lambda_
    name = {"FunctionName": wanted["FunctionName"]}
    settings = {
        parameter: _numbered(wanted.get(one, WITHOUT[one]))
        for one, parameter in CONFIGURATION.items()
        if wanted.get(one, WITHOUT[one]) != before.get(one, WITHOUT[one])
    }
    if settings:
        lambda_.update_function_configuration(**name, **settings)
        lambda_.get_waiter("function_updated_v2").wait(**name, WaiterConfig={"Delay": 1})
    reserved = wanted.get("ReservedConcurrentExecutions")
    if reserved != before.get("ReservedConcurrentExecutions"):
        if reserved is None:
            lambda_.delete_function_concurrency(**name)
        else:
            lambda_.put_function_concurrency(**name, ReservedConcurrentExecutions=int(reserved))
    loop = wanted.get("RecursiveLoop", "Terminate")
    if loop != before.get("RecursiveLoop", "Terminate"):
        lambda_.put_function_recursion_config(**name, RecursiveLoop=loop)


def _numbered(value: Any) -> Any:
    """A size as a number, which a template may write as text."""
    return {"Size": int(value["Size"])} if isinstance(value, dict) and "Size" in value else value
