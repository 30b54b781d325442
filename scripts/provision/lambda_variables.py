"""The environment variables of a template's functions, as AWS takes them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import yaml

from localstack_image_functions.bounds.reserved import VARIABLES
from scripts.errors import LabError

NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9_]+")


class ReservedVariable(LabError):
    """A template sets a variable that AWS lets no function have."""


class _Template(yaml.SafeLoader):
    """YAML with CloudFormation's short functions, whose values do not matter here."""


_Template.add_multi_constructor("!", lambda loader, suffix, node: f"!{suffix}")


def check_variables(template: str) -> None:
    """Refuse what AWS would refuse minutes later, or what would break the function here.

    Raises
    ------
    ReservedVariable
        When a function of the template sets a reserved or malformed variable.
    """
    for function, name in _variables(yaml.load(template, _Template)):  # noqa: S506  safe
        if name in VARIABLES:
            raise ReservedVariable(
                f"{function}: {name} is reserved by AWS Lambda",
                "give the variable another name, for example FACELAB_…",
            )
        if not NAME.fullmatch(name):
            raise ReservedVariable(
                f"{function}: {name!r} is no name for a variable of a function",
                "a letter first, then letters, digits and underscores, two characters at least",
            )


def _variables(template: Any) -> Iterator[tuple[str, str]]:
    for logical_id, resource in template["Resources"].items():
        if resource["Type"] == "AWS::Lambda::Function":
            environment = resource["Properties"].get("Environment") or {}
            for name in environment.get("Variables") or {}:
                yield logical_id, str(name)
