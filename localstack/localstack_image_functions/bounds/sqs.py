"""What the pages of SQS say of its parameters; its model says only which are required."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from localstack.aws.api import CommonServiceException, RequestContext
from localstack.aws.api.sqs import InvalidAttributeName, InvalidAttributeValue, OverLimit

LONGEST_DELAY_S = 900
LONGEST_VISIBILITY_S = 43_200
MOST_ATTRIBUTES = 10
MOST_ACTIONS = 7
MOST_MOVED_PER_S = 500
MOST_RECEIVES = 1_000

_NUMBERS = {
    "DelaySeconds": (0, LONGEST_DELAY_S),
    "KmsDataKeyReusePeriodSeconds": (60, 86_400),
    "MaximumMessageSize": (1_024, 1_048_576),
    "MessageRetentionPeriod": (60, 1_209_600),
    "ReceiveMessageWaitTimeSeconds": (0, 20),
    "VisibilityTimeout": (0, LONGEST_VISIBILITY_S),
}
_VALUES = {
    "ContentBasedDeduplication": ("true", "false"),
    "DeduplicationScope": ("messageGroup", "queue"),
    "FifoThroughputLimit": ("perQueue", "perMessageGroupId"),
    "SqsManagedSseEnabled": ("true", "false"),
}
_JSON = ("Policy", "RedriveAllowPolicy", "RedrivePolicy")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


class InvalidParameterValue(CommonServiceException):
    """Named as AWS's, for LocalStack tells JSON clients the name."""


class MissingParameter(CommonServiceException):
    """The same."""


def _invalid(value: Any, name: str, reason: str) -> CommonServiceException:
    return InvalidParameterValue(
        "InvalidParameterValue",
        f"Value {value} for parameter {name} is invalid. Reason: {reason}",
        sender_fault=True,
    )


def _within(request: Mapping[str, Any], name: str, least: int, most: int) -> None:
    value = request.get(name)
    if value is not None and not least <= value <= most:
        raise _invalid(value, name, f"Must be between {least} and {most}, if provided.")


def _required(request: Mapping[str, Any], *names: str) -> None:
    for name in names:
        if request.get(name) is None:
            raise MissingParameter(
                "MissingParameter",
                f"The request must contain the parameter {name}.",
                sender_fault=True,
            )


def _attributes(request: Mapping[str, Any]) -> None:
    given = request.get("Attributes") or {}
    for name, value in given.items():
        if name in _NUMBERS:
            least, most = _NUMBERS[name]
            is_good = bool(re.fullmatch(r"\d{1,9}", value)) and least <= int(value) <= most
        elif name in _VALUES:
            is_good = value.lower() in {one.lower() for one in _VALUES[name]}
        else:
            is_good = name not in _JSON or not value or _is_json(value)
        if not is_good:
            raise InvalidAttributeValue(f"Invalid value for the parameter {name}.")
    _redrive(given.get("RedrivePolicy"))
    scope = given.get("DeduplicationScope")
    if given.get("FifoThroughputLimit") == "perMessageGroupId" and scope == "queue":
        raise InvalidAttributeValue("perMessageGroupId needs the DeduplicationScope messageGroup.")


def _redrive(text: str | None) -> None:
    policy = json.loads(text) if text else None
    if policy is None:
        return
    for name in ("deadLetterTargetArn", "maxReceiveCount"):
        if not policy.get(name) and policy.get(name) != 0:
            raise _bad_redrive(
                text, f"Redrive policy does not contain mandatory attribute: {name}."
            )
    count = str(policy["maxReceiveCount"])
    if not count.isdecimal() or not 1 <= int(count) <= MOST_RECEIVES:
        raise _bad_redrive(
            text,
            f"Invalid value for maxReceiveCount: {count}, valid values are from 1 to "
            f"{MOST_RECEIVES} both inclusive.",
        )


def _bad_redrive(text: str | None, reason: str) -> InvalidAttributeValue:
    return InvalidAttributeValue(
        f"Value {text} for parameter RedrivePolicy is invalid. Reason: {reason}"
    )


def _is_json(value: str) -> bool:
    try:
        return isinstance(json.loads(value), dict)
    except ValueError:
        return False


def _create(request: Mapping[str, Any]) -> None:
    _required(request, "QueueName")
    _attributes(request)
    _tags(request.get("tags"))
    target = _dead_letter_target(request)
    if target and target.endswith(".fifo") != request["QueueName"].endswith(".fifo"):
        raise InvalidAttributeValue(
            "Invalid value for the parameter RedrivePolicy. Reason: the dead-letter queue of a "
            "FIFO queue must be a FIFO queue, that of a standard queue a standard one."
        )


def _tag(request: Mapping[str, Any]) -> None:
    _required(request, "QueueUrl", "Tags")
    _tags(request["Tags"])


def _tags(tags: Mapping[str, Any] | None) -> None:
    for name, value in (tags or {}).items():
        if value is None:
            raise _invalid("null", f"Tags.{name}", "A tag's value must not be null.")


def _set(request: Mapping[str, Any]) -> None:
    _required(request, "QueueUrl", "Attributes")
    _attributes(request)
    if "FifoQueue" in request["Attributes"]:
        raise InvalidAttributeName("Unknown Attribute FifoQueue.")


def _dead_letter_target(request: Mapping[str, Any]) -> str | None:
    policy = (request.get("Attributes") or {}).get("RedrivePolicy")
    return str(json.loads(policy).get("deadLetterTargetArn") or "") if policy else None


def _send(request: Mapping[str, Any]) -> None:
    _required(request, "QueueUrl", "MessageBody")
    _message(request)


def _message(message: Mapping[str, Any]) -> None:
    _within(message, "DelaySeconds", 0, LONGEST_DELAY_S)
    attributes = message.get("MessageAttributes")
    if attributes:
        _message_attributes(attributes)
    system = message.get("MessageSystemAttributes")
    for name, value in (system or {}).items():
        if name != "AWSTraceHeader":
            raise _invalid(name, "MessageSystemAttributes", "It is no known system attribute.")
        if value.get("DataType") != "String":
            raise _invalid(value.get("DataType"), name, "Its type must be String.")


def _message_attributes(attributes: Mapping[str, Any]) -> None:
    if len(attributes) > MOST_ATTRIBUTES:
        raise _invalid(
            len(attributes), "MessageAttributes", f"A message has at most {MOST_ATTRIBUTES}."
        )
    for name, value in attributes.items():
        if ".." in name:
            raise _invalid(name, "MessageAttributes", "A name has no two periods in succession.")
        kind = value.get("DataType")
        if not kind:
            raise _invalid("", name, "The message attribute must contain a non-empty DataType.")
        text = value.get("StringValue")
        if kind.split(".")[0] == "Number" and text and not _NUMBER.fullmatch(text):
            raise _invalid(text, name, "Can't cast the value of the message attribute to a number.")


def _send_batch(request: Mapping[str, Any]) -> None:
    _required(request, "QueueUrl")
    for entry in request.get("Entries") or ():
        if entry.get("MessageAttributes"):
            _message_attributes(entry["MessageAttributes"])


def _receive(request: Mapping[str, Any]) -> None:
    _required(request, "QueueUrl")
    _within(request, "MaxNumberOfMessages", 1, 10)
    _within(request, "WaitTimeSeconds", 0, 20)
    _within(request, "VisibilityTimeout", 0, LONGEST_VISIBILITY_S)


def _change(request: Mapping[str, Any]) -> None:
    _required(request, "QueueUrl", "ReceiptHandle", "VisibilityTimeout")
    _within(request, "VisibilityTimeout", 0, LONGEST_VISIBILITY_S)


def _permission(request: Mapping[str, Any]) -> None:
    _required(request, "QueueUrl", "Label", "AWSAccountIds", "Actions")
    count = len(request["Actions"])
    if count > MOST_ACTIONS:
        raise OverLimit(f"{count} Actions were found, maximum allowed is {MOST_ACTIONS}.")


def _of_this_region(context: RequestContext, request: Mapping[str, Any]) -> None:
    """The queue of dead letters is one of the same account and region."""
    target = _dead_letter_target(request)
    if target and target.split(":")[3:5] != [context.region, context.account_id]:
        text = request["Attributes"]["RedrivePolicy"]
        raise _bad_redrive(text, "The dead-letter queue must be of the same account and region.")


CHECKS_OF_WHAT_IS_THERE: Mapping[str, Callable[[RequestContext, Any], None]] = {
    "CreateQueue": _of_this_region,
    "SetQueueAttributes": _of_this_region,
}
CHECKS: Mapping[str, Callable[[Any], None]] = {
    "AddPermission": _permission,
    "ChangeMessageVisibility": _change,
    "CreateQueue": _create,
    "DeleteMessage": lambda request: _required(request, "QueueUrl", "ReceiptHandle"),
    "ListDeadLetterSourceQueues": lambda request: _within(request, "MaxResults", 1, 1_000),
    "ListQueues": lambda request: _within(request, "MaxResults", 1, 1_000),
    "ReceiveMessage": _receive,
    "SendMessage": _send,
    "SendMessageBatch": _send_batch,
    "SetQueueAttributes": _set,
    "StartMessageMoveTask": lambda request: _within(
        request, "MaxNumberOfMessagesPerSecond", 1, MOST_MOVED_PER_S
    ),
    "TagQueue": _tag,
}
