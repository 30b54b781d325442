"""What S3's pages say that notifications of one bucket may be together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import combinations
from typing import Any

from localstack.aws.api.s3 import Event as EventName
from localstack.aws.api.s3 import InvalidArgument
from localstack.services.s3.exceptions import MalformedXML

_KINDS = ("QueueConfigurations", "TopicConfigurations", "LambdaFunctionConfigurations")
_EVENTS = frozenset(str(event) for event in EventName)


def _invalid(message: str, name: str, value: str) -> InvalidArgument:
    return InvalidArgument(message, ArgumentName=name, ArgumentValue=value)


def _put(request: Mapping[str, Any]) -> None:
    given = request.get("NotificationConfiguration") or {}
    rules = [rule for kind in _KINDS for rule in given.get(kind) or ()]
    for rule in rules:
        if not rule.get("Events"):
            raise MalformedXML()
        for event in rule["Events"]:
            if event not in _EVENTS:
                raise _invalid("The event is not supported for notifications", "Event", event)
        names = [filtered.get("Name", "").lower() for filtered in _filters(rule)]
        for name in names:
            if names.count(name) > 1:
                raise _invalid(
                    f"Cannot specify more than one {name} rule in a filter.",
                    "FilterRule.Name",
                    name,
                )
    for one, other in combinations(rules, 2):
        if _same_events(one, other) and _same_keys(one, other):
            raise _invalid(
                "Configurations overlap. Configurations on the same bucket cannot share a common "
                "event type.",
                "NotificationConfiguration",
                f"{one.get('Id', '')}, {other.get('Id', '')}",
            )


def _filters(rule: Mapping[str, Any]) -> Iterator[Mapping[str, str]]:
    key = (rule.get("Filter") or {}).get("Key") or {}
    yield from key.get("FilterRules") or ()


def _value(rule: Mapping[str, Any], name: str) -> str:
    found = (one.get("Value", "") for one in _filters(rule) if one.get("Name", "").lower() == name)
    return next(found, "")


def _same_events(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return any(_covers(a, b) or _covers(b, a) for a in one["Events"] for b in other["Events"])


def _covers(event: str, other: str) -> bool:
    return event == other or (event.endswith("*") and other.startswith(event[:-1]))


def _same_keys(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether one key can have the prefixes and suffixes of both."""
    prefixes = sorted((_value(one, "prefix"), _value(other, "prefix")), key=len)
    suffixes = sorted((_value(one, "suffix"), _value(other, "suffix")), key=len)
    return prefixes[1].startswith(prefixes[0]) and suffixes[1].endswith(suffixes[0])


CHECKS: Mapping[str, Callable[[Any], None]] = {"PutBucketNotificationConfiguration": _put}
