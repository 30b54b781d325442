"""The bounds that AWS's own service models document, checked.

The models that botocore brings say of each parameter how long, how large and of which form it may
be; boto3 does not check most of that, the services do. Here one function for each operation is
made of its model, once, and asked before the provider is.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Sized
from dataclasses import dataclass
from typing import Any

from botocore.model import ListShape, MapShape, OperationModel, Shape, StringShape, StructureShape
from localstack.aws.api import CommonServiceException

Broken = Iterator[str]
Check = Callable[[Any, str], Broken]
"""Given a value and its place, yields each bound that it breaks, in AWS's words."""

DEEPEST = 6
"""Some models refer to themselves."""


@dataclass(frozen=True)
class RefusalForm:
    """How a service says that a bound is broken."""

    code: str
    says: Callable[[list[str]], str]


def _counted(broken: list[str]) -> str:
    errors = "error" if len(broken) == 1 else "errors"
    return f"{len(broken)} validation {errors} detected: {'; '.join(broken)}"


def _of_ecr(broken: list[str]) -> str:
    # Every complaint is made in this form, here.
    place, constraint = re.fullmatch(
        r"Value .*? at ('.*?') failed to satisfy constraint: (.*)", broken[0], re.DOTALL
    ).groups()  # type: ignore[union-attr]
    return f"Invalid parameter at {place} failed to satisfy constraint: '{constraint}'"


REFUSALS = {
    "lambda": RefusalForm("ValidationException", _counted),
    "ecr": RefusalForm("InvalidParameterException", _of_ecr),
    "logs": RefusalForm("InvalidParameterException", _counted),
    "cloudwatch": RefusalForm("ValidationError", _counted),
    "dynamodb": RefusalForm("ValidationException", _counted),
    "dynamodbstreams": RefusalForm("ValidationException", _counted),
}


def refusal(operation: OperationModel, broken: list[str]) -> CommonServiceException:
    """What a service of `REFUSALS` answers to a request that breaks these bounds.

    Of operations that were added later it may have another code than of the rest.
    """
    form = REFUSALS[operation.service_model.service_name]
    documented = {shape.name for shape in operation.error_shapes}
    code = form.code
    if code not in documented and "ValidationException" in documented:
        code = "ValidationException"
    return CommonServiceException(code, form.says(broken), status_code=400, sender_fault=True)


def broken_bounds(operation: OperationModel, request: Any) -> list[str]:
    """All bounds that a request breaks."""
    check = _check_of(operation.service_model.service_name, operation.name, operation)
    return [*check(request or {}, "")] if check else []


_CHECKS: dict[tuple[str, str], Check | None] = {}


def _check_of(service: str, name: str, operation: OperationModel) -> Check | None:
    try:
        return _CHECKS[service, name]
    except KeyError:
        shape = operation.input_shape
        check = _CHECKS[service, name] = _check(shape, 0) if shape else None
        return check


def _check(shape: Shape, depth: int) -> Check | None:
    """What there is to check of a value of this shape; None: nothing."""
    if depth > DEEPEST:
        return None
    if isinstance(shape, StructureShape):
        return _structure(shape, depth)
    if isinstance(shape, ListShape):
        return _both(_sized(shape), _each(_check(shape.member, depth + 1)))
    if isinstance(shape, MapShape):
        return _both(
            _sized(shape),
            _each_key(_check(shape.key, depth + 1)),
            _each_value(_check(shape.value, depth + 1)),
        )
    if isinstance(shape, StringShape):
        return _text(shape)
    if shape.type_name in ("integer", "long", "double", "float"):
        return _number(shape)
    return _sized(shape) if shape.type_name == "blob" else None


def _both(*checks: Check | None) -> Check | None:
    given = [check for check in checks if check]
    if len(given) < 2:
        return given[0] if given else None

    def check(value: Any, place: str) -> Broken:
        for one in given:
            yield from one(value, place)

    return check


def _structure(shape: StructureShape, depth: int) -> Check | None:
    if shape.is_document_type or shape.is_tagged_union:
        return None
    required = set(shape.required_members)
    checks = [
        (name, f"{name[:1].lower()}{name[1:]}", name in required, _check(member, depth + 1))
        for name, member in shape.members.items()
    ]
    checks = [one for one in checks if one[2] or one[3]]
    if not checks:
        return None

    def check(value: Any, place: str) -> Broken:
        if not isinstance(value, dict):
            return
        for name, said, is_required, inner in checks:
            got = value.get(name)
            if got is None:
                if is_required:
                    yield says(None, f"{place}{said}", "Member must not be null")
            elif inner:
                yield from inner(got, f"{place}{said}")

    def nested(value: Any, place: str) -> Broken:
        return check(value, f"{place}.")

    return nested if depth else check


def _each(inner: Check | None) -> Check | None:
    if inner is None:
        return None

    def check(value: Any, place: str) -> Broken:
        for number, one in enumerate(value, 1):
            yield from inner(one, f"{place}.{number}.member")

    return check


def _each_key(inner: Check | None) -> Check | None:
    if inner is None:
        return None

    def check(value: Any, place: str) -> Broken:
        for name in value:
            for broken in inner(name, place):
                constraint = broken.partition("failed to satisfy constraint: ")[2]
                yield says(name, place, f"Map keys must satisfy constraint: [{constraint}]")

    return check


def _each_value(inner: Check | None) -> Check | None:
    if inner is None:
        return None

    def check(value: Any, place: str) -> Broken:
        for name, one in value.items():
            yield from inner(one, f"{place}.{name}.member")

    return check


def _sized(shape: Shape) -> Check | None:
    least, most = shape.metadata.get("min", 0), shape.metadata.get("max")
    if not least and most is None:
        return None

    def check(value: Any, place: str) -> Broken:
        length = len(value) if isinstance(value, Sized) else least
        if length < least:
            constraint = f"Member must have length greater than or equal to {least}"
            yield says(value, place, constraint)
        if most is not None and length > most:
            yield says(value, place, f"Member must have length less than or equal to {most}")

    return check


def _text(shape: StringShape) -> Check | None:
    return _both(_sized(shape), _one_of(shape), _formed(shape))


def _one_of(shape: StringShape) -> Check | None:
    values = frozenset(shape.enum or ())
    if not values:
        return None
    constraint = f"Member must satisfy enum value set: [{', '.join(shape.enum)}]"

    def check(value: Any, place: str) -> Broken:
        if value not in values:
            yield says(value, place, constraint)

    return check


def _formed(shape: StringShape) -> Check | None:
    pattern = shape.metadata.get("pattern")
    matches = _matches(pattern) if pattern else None
    if matches is None:
        return None
    constraint = f"Member must satisfy regular expression pattern: {pattern}"

    def check(value: Any, place: str) -> Broken:
        if isinstance(value, str) and not matches(value):
            yield says(value, place, constraint)

    return check


@functools.cache
def _matches(pattern: str) -> Callable[[str], Any] | None:
    """None for the few patterns that only Java's regular expressions know."""
    try:
        return re.compile(pattern, re.ASCII | re.DOTALL).fullmatch
    except re.error:
        return None


def _number(shape: Shape) -> Check | None:
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if least is None and most is None:
        return None

    def check(value: Any, place: str) -> Broken:
        if least is not None and value < least:
            yield says(value, place, f"Member must have value greater than or equal to {least}")
        if most is not None and value > most:
            yield says(value, place, f"Member must have value less than or equal to {most}")

    return check


def says(value: Any, place: str, constraint: str) -> str:
    """That a value at a place breaks a constraint, as AWS puts it."""
    shown = "null" if value is None else f"'{_shown(value)}'"
    return f"Value {shown} at '{place}' failed to satisfy constraint: {constraint}"


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(_shown(one) for one in value)}]"
    return "java.nio.HeapByteBuffer" if isinstance(value, bytes) else str(value)
