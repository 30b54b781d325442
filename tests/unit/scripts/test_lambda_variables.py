"""What AWS lets no function set is refused before anything is deployed."""

from __future__ import annotations

import pytest

from scripts.provision import stacks
from scripts.provision.lambda_variables import ReservedVariable, check_variables

TEMPLATE = """
Resources:
  Queue: {{ Type: "AWS::SQS::Queue" }}
  Quiet: {{ Type: "AWS::Lambda::Function", Properties: {{ Role: !GetAtt Role.Arn }} }}
  Function:
    Type: AWS::Lambda::Function
    Properties:
      Environment: {{ Variables: {{ GOOD: !Sub "${{Prefix}}", {name}: x }} }}
"""


@pytest.mark.parametrize(
    "name", ["AWS_LAMBDA_RUNTIME_API", "LAMBDA_TASK_ROOT", "AWS_REGION", "_HANDLER"]
)
def test_reserved_variable_is_refused(name):
    with pytest.raises(ReservedVariable, match=f"Function: {name} is reserved"):
        check_variables(TEMPLATE.format(name=name))


@pytest.mark.parametrize("name", ["1ST", "A-B", "X", "'A B'", "_OWN"])
def test_malformed_variable_is_refused(name):
    with pytest.raises(ReservedVariable, match="is no name"):
        check_variables(TEMPLATE.format(name=name))


@pytest.mark.parametrize("name", ["FACELAB_X", "AWS_XRAY_CONTEXT_MISSING", "TZ", "PYTHONPATH"])
def test_other_variables_are_taken(name):
    check_variables(TEMPLATE.format(name=name))


@pytest.mark.parametrize("template", sorted(stacks.TEMPLATES.glob("*.yaml")), ids=lambda p: p.name)
def test_own_templates_set_none(template):
    check_variables(template.read_text())
