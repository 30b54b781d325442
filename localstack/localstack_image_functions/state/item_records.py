"""DynamoDB's items as records of rows: little more than their JSON."""

from __future__ import annotations

import base64
import json
from typing import Any

from moto.dynamodb.models.dynamo_type import DynamoType, Item, LimitedSizeDict
from moto.dynamodb.models.table import Table

from localstack_image_functions.state.codec import Codec
from localstack_image_functions.state.errors import HostileState

_BYTES = "\x00bytes"


def record_of(item: Item, codec: Codec) -> bytes:
    """The item as DynamoDB's own JSON; as the codec's, where moto holds what that can't say."""
    try:
        return json.dumps(item.attrs, default=_plain, separators=(",", ":")).encode()
    except TypeError:
        return codec.encode(item)


def item_of(record: bytes, table: Table, codec: Codec) -> Item:
    """The item again.

    Raises
    ------
    HostileState
        When it is no record of an item of the table.
    """
    if not record.startswith(b"{"):
        decoded = codec.decode(record)
        if not isinstance(decoded, Item):
            raise HostileState(f"a record of {table.name} is no item")
        return decoded
    attributes = LimitedSizeDict()
    try:
        for name, written in _written(record).items():
            dict.__setitem__(attributes, name, _typed(written))
        hash_key, sort = attributes[table.hash_key_attr], table.range_key_attr
        range_key = attributes[sort] if sort else None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise HostileState(f"a record of {table.name} is no item: {error!r}") from error
    item: Item = Item.__new__(Item)
    item.hash_key, item.range_key, item.attrs = hash_key, range_key, attributes
    return item


def number_in(record: bytes, attribute: str, table: Table, codec: Codec) -> float | None:
    """The value of a number attribute, without making the item.

    None where it has none, or can't be read: whoever asks for the item is told.
    """
    try:
        if record.startswith(b"{"):
            kind, value = next(iter(json.loads(record)[attribute].items()))
        else:
            found = item_of(record, table, codec).attrs[attribute]
            kind, value = found.type, found.value
        return float(value) if kind == "N" else None
    except (HostileState, ValueError, KeyError, TypeError, AttributeError, StopIteration):
        return None


def _written(record: bytes) -> Any:
    hook = _bytes_again if rb"\u0000bytes" in record else None
    return json.loads(record, object_hook=hook)


def _typed(written: dict[str, Any]) -> DynamoType:
    ((kind, value),) = written.items()
    if kind == "L":
        value = [_typed(one) for one in value]
    elif kind == "M":
        value = {name: _typed(one) for name, one in value.items()}
    made: DynamoType = DynamoType.__new__(DynamoType)
    made.type, made.value = kind, value
    return made


def _plain(value: Any) -> Any:
    if isinstance(value, DynamoType):
        return {value.type: value.value}
    if isinstance(value, bytes):
        return {_BYTES: base64.b64encode(value).decode()}
    raise TypeError(f"{type(value)} is not plain")


def _bytes_again(found: dict[str, Any]) -> Any:
    return base64.b64decode(found[_BYTES]) if found.keys() == {_BYTES} else found
