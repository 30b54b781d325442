"""What IAM would say: policies against the calls that code really makes.

Knows what our policies use: Allow statements, actions and resources with `*`. Nothing in them
denies or sets conditions; a document that does is refused, not misjudged.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from tests.fakes.wire import Call

# IAM knows some calls under another name, and one under none.
ACTION_OF = {
    ("sqs", "DeleteMessageBatch"): "sqs:DeleteMessage",
    ("sqs", "ChangeMessageVisibilityBatch"): "sqs:ChangeMessageVisibility",
    ("s3", "HeadObject"): "s3:GetObject",
    ("s3", "ListObjectsV2"): "s3:ListBucket",
    ("s3", "HeadBucket"): "s3:ListBucket",
}
FREE = {("sts", "GetCallerIdentity")}


@dataclass(frozen=True)
class Need:
    """A right that a call needs: an action on one resource (an ARN)."""

    action: str
    resource: str


@dataclass(frozen=True)
class Grant:
    """One action on one resource pattern of a policy."""

    sid: str
    action: str
    resource: str

    def allows(self, need: Need) -> bool:
        return _matches(self.action.lower(), need.action.lower()) and _matches(
            self.resource, need.resource
        )


def grants(policy: dict[str, Any]) -> list[Grant]:
    """Every grant of a policy document, one for each action and resource."""
    found = []
    for statement in policy["Statement"]:
        assert statement.keys() == {"Sid", "Effect", "Action", "Resource"}, statement
        assert statement["Effect"] == "Allow"
        found += [
            Grant(statement["Sid"], action, resource)
            for action in _list(statement["Action"])
            for resource in _list(statement["Resource"])
        ]
    return found


def needs(calls: Iterable[Call], region: str, account: str) -> set[Need]:
    """The rights that these calls needed.

    A GetObject of something that is not there needs s3:ListBucket as well: without it S3
    answers 403, and "gone" could not be told from "forbidden".
    """
    found = set()
    for call in calls:
        if (call.service, call.operation) in FREE:
            continue
        action = ACTION_OF.get((call.service, call.operation), f"{call.service}:{call.operation}")
        found.add(Need(action, _arn(call, region, account)))
        if call.service == "s3" and call.operation == "GetObject" and call.status == 404:
            bucket = call.resource.partition("/")[0]
            found.add(Need("s3:ListBucket", f"arn:aws:s3:::{bucket}"))
    return found


def _arn(call: Call, region: str, account: str) -> str:
    place = f"{region}:{account}"
    return {
        "s3": f"arn:aws:s3:::{call.resource}",
        "sqs": f"arn:aws:sqs:{place}:{call.resource}",
        "dynamodb": f"arn:aws:dynamodb:{place}:table/{call.resource}",
        "lambda": f"arn:aws:lambda:{place}:function:{call.resource}",
    }[call.service]


def _list(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def _matches(pattern: str, text: str) -> bool:
    parts = (re.escape(part) for part in pattern.split("*"))
    return re.fullmatch(".*".join(parts), text, re.DOTALL) is not None
