"""JSON from outside into frozen dataclasses: the right types, bounded sizes, or an error.

What a queue or a bucket holds may have been written by anybody, so nothing of it is believed
before it was looked at here.
"""

from __future__ import annotations

import json
import math
import types
from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from functools import cache
from typing import Any, NoReturn, TypeVar, Union, get_args, get_origin, get_type_hints

from contract.clips import ContractError

MAX_DOCUMENT_CHARS = 1024 * 1024  # what SQS carries at most
MAX_TEXT_CHARS = 4096
MAX_ITEMS = 1000
MAX_INTEGER = 2**63 - 1  # a nanosecond clock counts beyond 2**53 after a hundred days

T = TypeVar("T")


class MalformedDocument(ContractError):
    """A document that is not JSON, or not of the expected fields, types and sizes."""


def decode(kind: type[T], text: str) -> T:
    """The dataclass `kind` from a JSON object with exactly its fields (defaults may lack).

    Raises
    ------
    MalformedDocument
        When it is not JSON, too large or too deep, when a field is unknown, missing or of
        another type, a number not finite or beyond 64 bits, or a text not proper Unicode.
    """
    return from_value(kind, parse(text))


def parse(text: str) -> Any:
    """JSON to plain values.

    Raises
    ------
    MalformedDocument
        When it is not JSON, larger than `MAX_DOCUMENT_CHARS` or nested too deeply.
    """
    if len(text) > MAX_DOCUMENT_CHARS:
        raise MalformedDocument(f"{len(text)} characters, at most {MAX_DOCUMENT_CHARS}")
    try:
        return json.loads(text, parse_constant=_not_a_number)
    except RecursionError as error:
        raise MalformedDocument("nested too deeply") from error
    except ValueError as error:
        raise MalformedDocument(f"not JSON: {error}") from error


def from_value(kind: type[T], value: Any) -> T:
    """As `decode`, from plain values."""
    reader: Reader = _reader(kind)  # type: ignore[arg-type]  # classes are hashable
    return reader(value, kind.__name__)


def check_text(text: str, where: str) -> str:
    """`text`, when it is short and can be written as UTF-8 (no lone surrogates).

    Raises
    ------
    MalformedDocument
        Otherwise.
    """
    if len(text) > MAX_TEXT_CHARS:
        raise MalformedDocument(f"{where}: {len(text)} characters, at most {MAX_TEXT_CHARS}")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise MalformedDocument(f"{where}: not proper Unicode") from error
    return text


Reader = Callable[[Any, str], Any]


@cache
def _reader(kind: Any) -> Reader:
    """What checks and converts a plain value of the annotated type `kind`."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        (inner,) = (argument for argument in arguments if argument is not type(None))
        return _optional(_reader(inner))
    if origin is tuple:
        return _items(_reader(arguments[0]))
    if origin is dict:
        return _mapping(_reader(arguments[1]))
    if is_dataclass(kind):
        return _object(kind)
    if issubclass(kind, Enum):
        return _choice(kind)
    return _PLAIN[kind]


def _object(kind: Any) -> Reader:
    hints = get_type_hints(kind)
    readers = {field.name: _reader(hints[field.name]) for field in fields(kind) if field.init}
    needed = {
        field.name
        for field in fields(kind)
        if field.init and field.default is MISSING and field.default_factory is MISSING
    }

    def read(value: Any, where: str) -> Any:
        if not isinstance(value, dict):
            _refuse(value, where, "an object")
        if missing := needed - value.keys():
            raise MalformedDocument(f"{where}: no {', '.join(sorted(missing))}")
        if unknown := value.keys() - readers.keys():
            raise MalformedDocument(f"{where}: unknown {', '.join(sorted(unknown))[:100]}")
        return kind(**{name: readers[name](one, f"{where}.{name}") for name, one in value.items()})

    return read


def _optional(inner: Reader) -> Reader:
    return lambda value, where: None if value is None else inner(value, where)


def _items(inner: Reader) -> Reader:
    def read(value: Any, where: str) -> tuple[Any, ...]:
        if not isinstance(value, list) or len(value) > MAX_ITEMS:
            _refuse(value, where, f"a list of at most {MAX_ITEMS}")
        return tuple(inner(one, where) for one in value)

    return read


def _mapping(inner: Reader) -> Reader:
    def read(value: Any, where: str) -> dict[str, Any]:
        if not isinstance(value, dict) or len(value) > MAX_ITEMS:
            _refuse(value, where, f"an object of at most {MAX_ITEMS} fields")
        return {check_text(name, where): inner(one, where) for name, one in value.items()}

    return read


def _choice(kind: type[Enum]) -> Reader:
    def read(value: Any, where: str) -> Enum:
        try:
            return kind(value)
        except (TypeError, ValueError):
            _refuse(value, where, "one of " + ", ".join(str(one.value) for one in kind))

    return read


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str):
        _refuse(value, where, "a text")
    return check_text(value, where)


def _whole(value: Any, where: str) -> int:
    if type(value) is not int or abs(value) > MAX_INTEGER:
        _refuse(value, where, "a whole number of 64 bits")
    return value


def _number(value: Any, where: str) -> float:
    if type(value) not in (int, float) or abs(value) > MAX_INTEGER or not math.isfinite(value):
        _refuse(value, where, "a finite number")
    return value


def _truth(value: Any, where: str) -> bool:
    if not isinstance(value, bool):
        _refuse(value, where, "true or false")
    return value


_PLAIN: dict[type, Reader] = {str: _text, int: _whole, float: _number, bool: _truth}


def _not_a_number(text: str) -> NoReturn:
    raise MalformedDocument(f"not JSON: {text}")


def _refuse(value: Any, where: str, wanted: str) -> NoReturn:
    shown = ascii(value) if isinstance(value, (str, float, bool)) else type(value).__name__
    raise MalformedDocument(f"{where}: {shown[:60]} is not {wanted}")
