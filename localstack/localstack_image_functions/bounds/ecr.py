"""What the pages of ECR say of its parameters beyond its model."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from localstack.aws.api import CommonServiceException


def _invalid(message: str) -> CommonServiceException:
    return CommonServiceException("InvalidParameterException", message, sender_fault=True)


def _put_image(request: Mapping[str, Any]) -> None:
    try:
        json.loads(request["imageManifest"])
    except ValueError as error:
        raise _invalid(
            "Invalid parameter at 'ImageManifest' failed to satisfy constraint: 'Invalid JSON "
            "syntax'"
        ) from error


def _lifecycle(request: Mapping[str, Any]) -> None:
    try:
        rules = json.loads(request["lifecyclePolicyText"])["rules"]
        priorities = [rule["rulePriority"] for rule in rules]
        selections = [rule["selection"] for rule in rules]
    except (ValueError, TypeError, KeyError):
        return  # moto says which part is missing
    if len(set(priorities)) < len(priorities):
        raise _policy("each rule needs a rulePriority of its own")
    for selection in selections:
        named = selection.get("tagPrefixList") or selection.get("tagPatternList")
        if selection.get("tagStatus") == "tagged" and not named:
            raise _policy("tagStatus 'tagged' needs a tagPrefixList or a tagPatternList")
        since = selection.get("countType", "").startswith("since")
        if since and selection.get("countUnit") != "days":
            raise _policy(f"countType '{selection['countType']}' needs the countUnit 'days'")


def _policy(reason: str) -> CommonServiceException:
    return _invalid(
        f"Invalid parameter at 'LifecyclePolicyText' failed to satisfy constraint: 'Lifecycle "
        f"policy validation failure: {reason}'"
    )


CHECKS: Mapping[str, Callable[[Any], None]] = {
    "PutImage": _put_image,
    "PutLifecyclePolicy": _lifecycle,
}
