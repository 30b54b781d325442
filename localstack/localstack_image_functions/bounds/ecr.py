"""What the pages of ECR say of its parameters beyond its model."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from localstack.aws.api import CommonServiceException

MOST_TAGS = 50
MOST_WILDCARDS = 4
"""In a pattern of tags."""


def _invalid(message: str) -> CommonServiceException:
    return CommonServiceException("InvalidParameterException", message, sender_fault=True)


def _tagged(request: Mapping[str, Any]) -> None:
    if len(request.get("tags") or ()) > MOST_TAGS:
        raise CommonServiceException(
            "TooManyTagsException",
            "The list of tags on the repository is over the limit. The maximum number of tags that "
            f"can be applied to a repository is {MOST_TAGS}.",
            sender_fault=True,
        )


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
    for rule in rules:
        reason = _unusable(rule["selection"])
        if reason:
            raise _policy(reason)
        if rule["selection"].get("tagStatus") == "any" and rule["rulePriority"] < max(priorities):
            raise _policy("a rule with the tagStatus 'any' must have the highest rulePriority")
    if sum(selection.get("tagStatus") == "untagged" for selection in selections) > 1:
        raise _policy("only one rule may select untagged images")
    tags = [sorted(_tags(one)) for one in selections if _tags(one)]
    if any(one in tags[:place] for place, one in enumerate(tags)):
        raise _policy("each rule needs tags of its own")


def _tags(selection: Mapping[str, Any]) -> list[str]:
    return [*(selection.get("tagPrefixList") or ()), *(selection.get("tagPatternList") or ())]


def _unusable(selection: Mapping[str, Any]) -> str | None:
    """What AWS's page says against a selection beyond the words that may stand in it."""
    status, count = selection.get("tagStatus"), str(selection.get("countType"))
    named = _tags(selection)
    if status == "tagged" and not named:
        return "tagStatus 'tagged' needs a tagPrefixList or a tagPatternList"
    if status != "tagged" and named:
        return f"tagStatus '{status}' takes no tagPrefixList and no tagPatternList"
    if selection.get("tagPrefixList") and selection.get("tagPatternList"):
        return "a selection has a tagPrefixList or a tagPatternList, not both"
    if any(pattern.count("*") > MOST_WILDCARDS for pattern in named):
        return f"a pattern has more than {MOST_WILDCARDS} wildcards"
    since = count.startswith("since")
    if since and selection.get("countUnit") != "days":
        return f"countType '{count}' needs the countUnit 'days'"
    if not since and selection.get("countUnit"):
        return f"countType '{count}' takes no countUnit"
    return None


def _preview(request: Mapping[str, Any]) -> None:
    """A policy to look at is as good as one that is put."""
    from moto.core.exceptions import ServiceException
    from moto.ecr.policy_validation import EcrLifecyclePolicyValidator  # loads all of moto's ECR

    text = request.get("lifecyclePolicyText")
    if text:
        _lifecycle(request)
        try:
            EcrLifecyclePolicyValidator(text).validate()
        except ServiceException as error:
            raise _invalid(error.message) from error


def _policy(reason: str) -> CommonServiceException:
    return _invalid(
        f"Invalid parameter at 'LifecyclePolicyText' failed to satisfy constraint: 'Lifecycle "
        f"policy validation failure: {reason}'"
    )


CHECKS: Mapping[str, Callable[[Any], None]] = {
    "CreateRepository": _tagged,
    "PutImage": _put_image,
    "PutLifecyclePolicy": _lifecycle,
    "StartLifecyclePolicyPreview": _preview,
    "TagResource": _tagged,
}
