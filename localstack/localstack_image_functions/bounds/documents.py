"""Documents in XML: S3 takes none with elements that it does not know."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from xml.etree import ElementTree

from botocore.model import ListShape, Shape, StructureShape
from localstack.aws.api import RequestContext
from localstack.aws.spec import load_service
from localstack.services.s3.exceptions import MalformedXML


def check(context: RequestContext, _request: Any) -> None:
    """Refuse a configuration with an element that is not in S3's schema; LocalStack leaves it out.

    Raises
    ------
    MalformedXML
        When there is one.
    """
    shape = context.operation.input_shape
    payload = shape.members.get(shape.serialization.get("payload") or "")
    body = context.request.get_data()
    if not body or not isinstance(payload, StructureShape):
        return
    try:
        root = ElementTree.fromstring(body)  # noqa: S314  LocalStack has parsed it before
    except ElementTree.ParseError as error:
        raise MalformedXML() from error
    _look(root, payload)


def _look(element: ElementTree.Element, shape: Shape) -> None:
    if not isinstance(shape, StructureShape):
        return
    known = dict(_elements(shape))
    for child in element:
        name = child.tag.rpartition("}")[2]
        if name not in known:
            raise MalformedXML()
        if known[name] is not None:
            _look(child, known[name])
            for entry in child if isinstance(known[name], ListShape) else ():
                _look(entry, known[name].member)


def _elements(shape: StructureShape) -> Any:
    """What may be in it by name; of lists without an element of their own, what is in them."""
    for member, inner in shape.members.items():
        name = inner.serialization.get("name", member)
        if isinstance(inner, ListShape) and inner.serialization.get("flattened"):
            yield name, inner.member
        else:
            yield name, inner


def _configurations() -> Mapping[str, Callable[[RequestContext, Any], None]]:
    """S3's operations that put a configuration of a bucket."""
    named = load_service("s3").operation_names
    return {name: check for name in named if name.startswith("PutBucket")}


CHECKS_OF_WHAT_IS_THERE = _configurations()
