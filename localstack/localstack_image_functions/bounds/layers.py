"""Layers: who may use a version of one, and lists by runtime and by page."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from localstack_image_functions.bounds.functions import refused

if TYPE_CHECKING:
    from localstack.services.lambda_.invocation.lambda_models import (
        LayerPolicyStatement,
        LayerVersion,
    )

MOST_LAYERS = 50
EVERYBODY = "*"


def guard_layers() -> None:
    """Let functions have layers of other accounts whose policies let them, and no others.

    LocalStack takes any that it has, and calls what it has not a feature for money.
    """
    from localstack.services.lambda_ import api_utils
    from localstack.services.lambda_.provider import LambdaProvider

    original = LambdaProvider._validate_layers

    @functools.wraps(original)
    def validate(self: Any, new_layers: list[str], region: str, account_id: str) -> None:
        for arn in new_layers:
            place, owner, name, number = api_utils.parse_layer_arn(arn)
            if number:
                check_use(arn, _version(owner, place, name, number), owner, account_id)
        original(self, new_layers, region=region, account_id=account_id)

    LambdaProvider._validate_layers = validate


def check_use(arn: str, version: LayerVersion | None, owner: str, account: str) -> None:
    """Refuse a layer's version to an account that neither owns it nor is named by its policy.

    Raises
    ------
    AccessDeniedException
        Also where there is no such version: nobody learns what others have.
    """
    from localstack.services.lambda_.invocation import AccessDeniedException

    if owner == account or (version and _is_allowed(version, account)):
        return
    raise AccessDeniedException(
        f"User: arn:aws:iam::{account}:root is not authorized to perform: lambda:GetLayerVersion "
        f"on resource: {arn} because no resource-based policy allows the lambda:GetLayerVersion "
        "action"
    )


def _is_allowed(version: LayerVersion, account: str) -> bool:
    statements = version.policy.statements.values() if version.policy else ()
    return any(one.principal in (EVERYBODY, account, _root(account)) for one in statements)


def _root(account: str) -> str:
    return f"arn:aws:iam::{account}:root"


def _version(account: str, region: str, name: str, number: int | str) -> LayerVersion | None:
    from localstack.services.lambda_.invocation.models import lambda_stores

    layer = lambda_stores[account][region].layers.get(name)
    return layer.layer_versions.get(str(number)) if layer else None


def _asked_for(context: Any, name: str, number: int) -> LayerVersion | None:
    """The version of a layer that is named alone or by its ARN."""
    from localstack.services.lambda_ import api_utils

    region, account = context.region, context.account_id
    if api_utils.is_layer_arn(name):
        region, account, name, _ = api_utils.parse_layer_arn(name)
    return _version(account, region, name, number)


def _add_permission(self: Any, original: Any, context: Any, **asked: Any) -> Any:
    if asked.get("organization_id") and asked["principal"] != EVERYBODY:
        raise refused("An organization is given with the principal * alone.")
    answered = original(self, context, **asked)
    version = _asked_for(context, asked["layer_name"], asked["version_number"])
    assert version is not None  # noqa: S101  it has a statement now
    statement = version.policy.statements[asked["statement_id"]]
    return {**answered, "Statement": json.dumps(_statement_of(version, statement))}


def _remove_permission(self: Any, original: Any, context: Any, **asked: Any) -> Any:
    from localstack.aws.api.lambda_ import ResourceNotFoundException

    version = _asked_for(context, asked["layer_name"], asked["version_number"])
    if version and version.policy is None:
        raise ResourceNotFoundException(
            f"Statement {asked['statement_id']} is not found in resource policy.", Type="User"
        )
    return original(self, context, **asked)


def _policy(self: Any, original: Any, context: Any, **asked: Any) -> Any:
    """A policy whose last statement was removed is none."""
    from localstack.aws.api.lambda_ import ResourceNotFoundException

    answered = original(self, context, **asked)
    version = _asked_for(context, asked["layer_name"], asked["version_number"])
    assert version is not None  # noqa: S101  it has a policy
    policy = json.loads(answered["Policy"])
    policy["Statement"] = [
        _statement_of(version, one) for one in version.policy.statements.values()
    ]
    if not policy["Statement"]:
        raise ResourceNotFoundException(
            "No policy is associated with the given resource.", Type="User"
        )
    return {**answered, "Policy": json.dumps(policy)}


def _statement_of(version: LayerVersion, statement: LayerPolicyStatement) -> dict[str, Any]:
    """An account is told as its root, an organization as a condition."""
    who = statement.principal
    told: dict[str, Any] = {
        "Sid": statement.sid,
        "Effect": "Allow",
        "Principal": who if who == EVERYBODY else {"AWS": _root(who) if who.isdecimal() else who},
        "Action": statement.action,
        "Resource": version.layer_version_arn,
    }
    if statement.organization_id:
        told["Condition"] = {"StringEquals": {"aws:PrincipalOrgID": statement.organization_id}}
    return told


def _get_version_by_arn(self: Any, original: Any, context: Any, arn: str, **asked: Any) -> Any:
    from localstack.services.lambda_ import api_utils

    region, owner, name, number = api_utils.parse_layer_arn(arn)
    if number:
        check_use(arn, _version(owner, region, name, number), owner, context.account_id)
    return original(self, context, arn, **asked)


def _get_version(self: Any, original: Any, context: Any, **asked: Any) -> Any:
    from localstack.services.lambda_ import api_utils

    name, number = asked["layer_name"], asked["version_number"]
    if api_utils.is_layer_arn(name):
        _, owner, *_ = api_utils.parse_layer_arn(name)
        version = _asked_for(context, name, number)
        check_use(f"{name}:{number}", version, owner, context.account_id)
    return original(self, context, **asked)


def _list_versions(
    self: Any,
    original: Any,
    context: Any,
    marker: str | None = None,
    max_items: int | None = None,
    **asked: Any,
) -> Any:
    """A page of those that are for the runtime and the architecture."""
    answered = original(self, context, **asked)
    found = [one for one in answered["LayerVersions"] if _is_for(one, asked)]
    return _page(found, "LayerVersions", marker, max_items)


def _list_layers(
    self: Any,
    _original: Any,
    context: Any,
    marker: str | None = None,
    max_items: int | None = None,
    **asked: Any,
) -> Any:
    """A page of layers, each with its newest version for the runtime and the architecture.

    LocalStack's own fails where all versions of one are deleted.
    """
    from localstack.services.lambda_.invocation.models import lambda_stores

    found = []
    layers = lambda_stores[context.account_id][context.region].layers
    for name, layer in list(layers.items()):
        versions = self.list_layer_versions(context, layer_name=name, **asked)["LayerVersions"]
        if versions:
            newest = versions[0]
            found.append(
                {"LayerName": name, "LayerArn": layer.arn, "LatestMatchingVersion": newest}
            )
    return _page(found, "Layers", marker, max_items)


def _is_for(version: Mapping[str, Any], asked: Mapping[str, Any]) -> bool:
    kinds = {
        "compatible_runtime": "CompatibleRuntimes",
        "compatible_architecture": "CompatibleArchitectures",
    }
    return all(
        not asked.get(name) or asked[name] in (version.get(kind) or ())
        for name, kind in kinds.items()
    )


def _page(found: list[Any], name: str, marker: str | None, limit: int | None) -> dict[str, Any]:
    start = int(marker) if marker and marker.isdecimal() else 0
    end = start + (limit or MOST_LAYERS)
    return {name: found[start:end], **({"NextMarker": str(end)} if end < len(found) else {})}


MENDED: Mapping[str, Callable[..., Any]] = {
    "add_layer_version_permission": _add_permission,
    "get_layer_version": _get_version,
    "get_layer_version_by_arn": _get_version_by_arn,
    "get_layer_version_policy": _policy,
    "list_layer_versions": _list_versions,
    "list_layers": _list_layers,
    "remove_layer_version_permission": _remove_permission,
}
"""Methods of LocalStack's provider, each with what stands around it."""
