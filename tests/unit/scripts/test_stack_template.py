"""What the stack's template promises of traces on AWS, where nobody here has an account to look."""

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
        return {key: resolved(one, conditions) for key, one in value.items()}
    if isinstance(value, list):
        found = [resolved(one, conditions) for one in value]
        return [one for one in found if one != {"Ref": "AWS::NoValue"}]
    return value


def resources(*, traced: bool) -> dict[str, Any]:
    text = (ROOT / "scripts" / "provision" / "stack.yaml").read_text("utf-8")
    template = yaml.load(text, Template)  # noqa: S506  a SafeLoader
    assert template["Conditions"]["Traced"] == {"Equals": [{"Ref": "XRay"}, "on"]}
    found: dict[str, Any] = resolved(template["Resources"], {"Traced": traced, "TlsOnly": True})
    return found


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
