"""What the stack's template promises of AWS, where nobody here has an account to look."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from cloud.switch import read_switch
from scripts.paths import ROOT
from scripts.provision.deployment import parameters
from scripts.provision.function_image import PublishedImage

# https://docs.aws.amazon.com/lambda/latest/dg/services-xray.html: active tracing in the function's
# configuration, and these rights for its role. X-Ray takes no resource but "*".
NEEDED = {"xray:PutTraceSegments", "xray:PutTelemetryRecords"}
IMAGE = PublishedImage("registry/facelab@sha256:0", "arm64")


class Template(yaml.SafeLoader):
    """CloudFormation's short forms, as the long ones."""


def _function(loader: Template, suffix: str, node: yaml.Node) -> dict[str, Any]:
    if isinstance(node, yaml.SequenceNode):
        return {suffix: loader.construct_sequence(node, deep=True)}
    return {suffix: loader.construct_scalar(node)}  # type: ignore[arg-type]


Template.add_multi_constructor("!", _function)


def resolved(value: Any, conditions: dict[str, bool]) -> Any:
    """With each `!If` decided; what it leaves out is gone."""
    if isinstance(value, dict):
        if set(value) == {"If"}:
            name, yes, no = value["If"]
            return resolved(yes if conditions[name] else no, conditions)
        named = {key: resolved(one, conditions) for key, one in value.items()}
        return {key: one for key, one in named.items() if one != {"Ref": "AWS::NoValue"}}
    if isinstance(value, list):
        found = [resolved(one, conditions) for one in value]
        return [one for one in found if one != {"Ref": "AWS::NoValue"}]
    return value


def read_template() -> dict[str, Any]:
    text = (ROOT / "scripts" / "provision" / "stack.yaml").read_text("utf-8")
    template: dict[str, Any] = yaml.load(text, Template)  # noqa: S506  a SafeLoader
    return template


def resources(
    *, traced: bool = False, queued: bool = False, to_queue: bool | None = None
) -> dict[str, Any]:
    template = read_template()
    assert template["Conditions"]["Traced"] == {"Equals": [{"Ref": "XRay"}, "on"]}
    assert template["Conditions"]["Queued"] == {"Not": [{"Equals": [{"Ref": "Events"}, "direct"]}]}
    assert template["Conditions"]["ToQueue"] == {"Equals": [{"Ref": "Events"}, "queue"]}
    to_queue = queued if to_queue is None else to_queue
    conditions = {"Traced": traced, "TlsOnly": True, "Queued": queued, "ToQueue": to_queue}
    return {
        name: resolved(one, conditions)
        for name, one in template["Resources"].items()
        if conditions.get(one.get("Condition"), True)
    }


def tracing_rights(role: dict[str, Any]) -> dict[str, Any]:
    """Actions of X-Ray that the role may do, with their resource."""
    statements = [
        one
        for policy in role["Properties"]["Policies"]
        for one in policy["PolicyDocument"]["Statement"]
        if one["Effect"] == "Allow"
    ]
    return {
        action: one["Resource"]
        for one in statements
        for action in ([one["Action"]] if isinstance(one["Action"], str) else one["Action"])
        if action.startswith("xray:")
    }


def test_a_traced_function_is_active_and_its_role_may_send_what_it_traces():
    """Active without the rights drops every segment silently; rights without Active send none."""
    found = resources(traced=True)
    function = found["Function"]["Properties"]
    assert function["TracingConfig"] == {"Mode": "Active"}
    role = function["Role"]["GetAtt"].removesuffix(".Arn")
    assert tracing_rights(found[role]) == dict.fromkeys(NEEDED, "*")


def test_without_traces_the_function_sends_none_and_has_no_right_to():
    found = resources(traced=False)
    assert found["Function"]["Properties"]["TracingConfig"] == {"Mode": "PassThrough"}
    assert tracing_rights(found["FunctionRole"]) == {}


@pytest.mark.parametrize(
    ("settings", "traces", "xray"),
    [
        ({"FACELAB_BACKEND": "aws"}, "on", "on"),
        ({"FACELAB_BACKEND": "aws", "FACELAB_TRACES": "off"}, "off", "off"),
        ({"FACELAB_BACKEND": "embedded"}, "on", "off"),  # an emulator has no X-Ray
    ],
)
def test_xray_is_on_on_aws_where_traces_are(monkeypatch, settings, traces, xray):
    monkeypatch.delenv("FACELAB_TRACES", raising=False)
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    asked = parameters(read_switch(settings), IMAGE)
    assert (asked["Traces"], asked["XRay"]) == (traces, xray)


def references(value: Any) -> set[str]:
    """The logical names that a part of the template refers to."""
    if isinstance(value, dict):
        if set(value) == {"Ref"}:
            return {value["Ref"]}
        if set(value) == {"GetAtt"}:
            return {value["GetAtt"].partition(".")[0]}
        return set().union(*(references(one) for one in value.values()))
    return set().union(*(references(one) for one in value)) if isinstance(value, list) else set()


def arn(queue: str) -> dict[str, str]:
    return {"Sub": "arn:${AWS::Partition}:sqs:${AWS::Region}:${AWS::AccountId}:${Prefix}-" + queue}


BUCKET = {"Sub": "arn:${AWS::Partition}:s3:::${Prefix}-${AWS::AccountId}-${AWS::Region}"}
QUEUED = {
    "EventsQueue", "FailedEvents", "EventsMayCome", "MayTakeEvents", "EventsToFunction",
    "MayTakeFailedEvents", "FailedEventsToReconciler",
}  # fmt: skip


def test_without_the_queue_nothing_of_it_is_made_nor_referred_to():
    found = resources(queued=False)
    assert set(resources(queued=True)) - set(found) == QUEUED
    assert not QUEUED & references(found)
    (only,) = found["Bucket"]["Properties"]["NotificationConfiguration"].items()
    assert only[0] == "LambdaConfigurations"


def test_with_the_queue_s3_tells_it_alone_and_only_s3_of_this_bucket_may():
    """A notification of each kind would have every clip looked at twice."""
    found = resources(queued=True)
    ((kind, (told,)),) = found["Bucket"]["Properties"]["NotificationConfiguration"].items()
    assert kind == "QueueConfigurations"
    direct = resources(queued=False)["Bucket"]["Properties"]["NotificationConfiguration"]
    for same in ("Event", "Filter"):
        assert told[same] == direct["LambdaConfigurations"][0][same]
    assert told["Queue"] == {"Select": [0, [arn("events"), {"Ref": "EventsMayCome"}]]}
    (allowed,) = found["EventsMayCome"]["Properties"]["PolicyDocument"]["Statement"]
    assert (allowed["Principal"], allowed["Action"], allowed["Resource"]) == (
        {"Service": "s3.amazonaws.com"}, "sqs:SendMessage", arn("events"),
    )  # fmt: skip
    assert allowed["Condition"] == {
        "ArnEquals": {"aws:SourceArn": BUCKET},
        "StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}},
    }


def test_while_the_queue_runs_empty_s3_tells_the_function():
    found = resources(queued=True, to_queue=False)
    direct = resources(queued=False)
    assert set(found) - set(direct) == QUEUED
    assert found["Bucket"] == direct["Bucket"]


@pytest.mark.parametrize(
    ("mapping", "rights", "queue", "function"),
    [
        ("EventsToFunction", "MayTakeEvents", "events", "Function"),
        ("FailedEventsToReconciler", "MayTakeFailedEvents", "failed-events", "Reconciler"),
    ],
)
def test_each_queue_s_messages_come_one_by_one_to_a_function_that_may_take_them(
    mapping, rights, queue, function
):
    found = resources(queued=True)
    assert found[mapping]["Properties"] == {
        "FunctionName": {"Ref": function},
        "EventSourceArn": arn(queue),
        "BatchSize": 1,
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
    }
    assert rights in found[mapping]["DependsOn"]
    given = found[rights]["Properties"]
    role = found[function]["Properties"]["Role"]["GetAtt"].removesuffix(".Arn")
    assert given["Roles"] == [{"Ref": role}]
    (statement,) = given["PolicyDocument"]["Statement"]
    assert (statement["Effect"], statement["Resource"]) == ("Allow", arn(queue))
    assert set(statement["Action"]) == {
        "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes",
    }  # fmt: skip


def test_a_message_is_hidden_until_every_attempt_is_over_and_given_up_before_the_schedule():
    """AWS asks for six times the function's timeout; sooner, two would be at the same clip."""
    found, default = (
        resources(queued=True),
        {name: one.get("Default") for name, one in read_template()["Parameters"].items()},
    )
    queue, failed = found["EventsQueue"]["Properties"], found["FailedEvents"]["Properties"]
    assert queue["VisibilityTimeout"] == {"Ref": "EventsHiddenS"}
    assert default["EventsHiddenS"] >= 6 * default["Timeout"]
    assert failed["VisibilityTimeout"] >= 6 * found["Reconciler"]["Properties"]["Timeout"]
    tries = queue["RedrivePolicy"]["maxReceiveCount"]
    assert queue["RedrivePolicy"]["deadLetterTargetArn"] == arn("failed-events")
    assert tries * default["EventsHiddenS"] < 60 * default["ReconcileAfterMinutes"]
    assert "RedrivePolicy" not in failed, "the reconciler tries until the letter stands"


@pytest.mark.parametrize(("setting", "path"), [("", "direct"), ("queue", "queue")])
def test_the_stack_is_told_how_events_come(monkeypatch, setting, path):
    monkeypatch.setenv("FACELAB_EVENTS", setting)
    assert parameters(read_switch({"FACELAB_BACKEND": "embedded"}), IMAGE)["Events"] == path
