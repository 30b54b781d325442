"""The role of a function that somebody brought: the least, and what was asked for beyond it."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, TypeVar

from botocore.exceptions import ClientError

from cloud.switch import Switch
from scripts.console import Progress
from scripts.errors import LabError

T = TypeVar("T")
POLICY = "function"
TRIGGERS = "TakeWhatInvokesIt"
# A new role is known to all of AWS after some seconds.
KNOWN_WITHIN_S = 60.0
# What `--allow SERVICE` lets a function do with the data of that service, in this account.
DATA_OF = {
    "s3": ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:ListBucket"],
    "sqs": ["sqs:SendMessage", "sqs:GetQueueUrl", "sqs:GetQueueAttributes"],
    "dynamodb": [
        *("dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query", "dynamodb:Scan"),
        *("dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem"),
    ],
    "lambda": ["lambda:InvokeFunction"],
}
# What triggers need: reading the bucket that notifies, taking messages off the queue.
OF_TRIGGERS = [
    *("s3:GetObject", "s3:ListBucket"),
    *("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"),
    "sqs:ChangeMessageVisibility",
]
TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "lambda.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
)
"""Lambda may take on the role."""


class RoleNotKnown(LabError):
    """AWS does not take the role."""


def role_name(switch: Switch, function: str) -> str:
    return f"{switch.names.prefix}-fn-{function}"[:64]


def make_role(
    switch: Switch,
    function: str,
    allowed: Collection[str],
    sources: Sequence[str],
    progress: Progress,
) -> str:
    """The role's ARN; made when it is not there, its policy brought up to date.

    `allowed` are services whose data it may read and write, `sources` ARNs of its triggers.
    """
    iam = switch.client("iam")
    name = role_name(switch, function)
    try:
        arn = iam.get_role(RoleName=name)["Role"]["Arn"]
    except iam.exceptions.NoSuchEntityException:
        arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=TRUST)["Role"]["Arn"]
        progress(f"made role {name}")
    before = _policy_now(iam, name)
    document = policy(
        arn.split(":")[1],
        function,
        {*allowed, *_allowed_by(before)},
        sorted({*sources, *_sources_of(before)}),
    )
    if document != before:
        iam.put_role_policy(RoleName=name, PolicyName=POLICY, PolicyDocument=json.dumps(document))
    return arn


def _policy_now(iam: Any, name: str) -> dict[str, Any]:
    try:
        return iam.get_role_policy(RoleName=name, PolicyName=POLICY)["PolicyDocument"]
    except iam.exceptions.NoSuchEntityException:
        return {"Statement": []}


def _allowed_by(document: dict[str, Any]) -> Iterator[str]:
    for statement in document["Statement"]:
        service = statement["Sid"].removeprefix("Use")
        if service in DATA_OF:
            yield service


def _sources_of(document: dict[str, Any]) -> Iterator[str]:
    for statement in document["Statement"]:
        if statement["Sid"] == TRIGGERS:
            yield from (arn for arn in statement["Resource"] if not arn.endswith("/*"))


def policy(
    partition: str, function: str, allowed: Collection[str], sources: Sequence[str]
) -> dict[str, Any]:
    """Writing its log, what its triggers need, and the data of the services allowed."""
    group = f"arn:{partition}:logs:*:*:log-group:/aws/lambda/{function}"
    statements = [
        _allow("WriteItsLog", ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"])
        | {"Resource": [group, f"{group}:*"]}
    ]
    if sources:
        both = [one for arn in sources for one in ([arn, f"{arn}/*"] if ":s3:" in arn else [arn])]
        statements.append(_allow(TRIGGERS, OF_TRIGGERS) | {"Resource": both})
    for service in sorted(set(allowed)):
        statements.append(_allow(f"Use{service}", DATA_OF[service]) | {"Resource": "*"})
    return {"Version": "2012-10-17", "Statement": statements}


def _allow(sid: str, actions: list[str]) -> dict[str, Any]:
    return {"Sid": sid, "Effect": "Allow", "Action": actions}


def delete_role(switch: Switch, function: str, progress: Progress) -> None:
    iam = switch.client("iam")
    name = role_name(switch, function)
    with contextlib.suppress(iam.exceptions.NoSuchEntityException):
        iam.delete_role_policy(RoleName=name, PolicyName=POLICY)
    with contextlib.suppress(iam.exceptions.NoSuchEntityException):
        iam.delete_role(RoleName=name)
        progress(f"deleted role {name}")


def when_known(call: Callable[[], T]) -> T:
    """Call again while AWS does not know a role that was just made.

    Raises
    ------
    RoleNotKnown
    """
    deadline = time.monotonic() + KNOWN_WITHIN_S
    while True:
        try:
            return call()
        except ClientError as error:
            message = error.response["Error"]["Message"]
            unknown = "cannot be assumed" in message or "does not have permissions" in message
            if not unknown:
                raise
            if time.monotonic() > deadline:
                raise RoleNotKnown(message, "ROLE=arn:… takes one of your own") from error
        time.sleep(1)  # IAM has no call that waits until a role is known
