"""DynamoDB Streams of the tables that moto has: what changed in them, from where a reader stands.

Where a reader stands is in its iterators themselves: nothing is kept of readers here.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from localstack.aws.api import CommonServiceException, RequestContext
from localstack.aws.api.dynamodbstreams import ExpiredIteratorException, ResourceNotFoundException
from localstack.services.plugins import SERVICE_PLUGINS
from moto.dynamodb.models import dynamodb_backends
from moto.dynamodb.models.table import StreamShard, Table

MOTO = "moto"
MOST_RECORDS = 1000
ITERATOR_LIVES_S = 15 * 60
_BY_NUMBER = {"AT_SEQUENCE_NUMBER": 0, "AFTER_SEQUENCE_NUMBER": 1}


def _describe_stream(_context: RequestContext, request: Mapping[str, Any]) -> Any:
    table, shard = _stream(request["StreamArn"])
    specification = table.stream_specification or {}
    return {
        "StreamDescription": {
            "StreamArn": request["StreamArn"],
            "StreamLabel": table.latest_stream_label,
            "StreamStatus": "ENABLED" if specification.get("StreamEnabled") else "DISABLED",
            "StreamViewType": specification.get("StreamViewType"),
            "CreationRequestDateTime": shard.created_on,
            "TableName": table.name,
            "KeySchema": table.schema,
            "Shards": [shard.to_json()],
        }
    }


def _list_streams(context: RequestContext, request: Mapping[str, Any]) -> Any:
    tables = list(_tables(context.account_id, context.region).values())
    wanted = request.get("TableName")
    found = [
        {
            "StreamArn": f"{table.table_arn}/stream/{table.latest_stream_label}",
            "TableName": table.name,
            "StreamLabel": table.latest_stream_label,
        }
        for table in tables
        if table.latest_stream_label and wanted in (None, table.name)
    ]
    return {"Streams": found[: request.get("Limit") or 100]}


def _get_shard_iterator(_context: RequestContext, request: Mapping[str, Any]) -> Any:
    kind, number = request["ShardIteratorType"], request.get("SequenceNumber")
    if kind in _BY_NUMBER and not (number or "").isdecimal():
        raise _invalid(f"SequenceNumber: {kind} needs one")
    _, shard = _stream(request["StreamArn"])
    if request["ShardId"] != shard.id:
        raise ResourceNotFoundException(f"Requested resource not found: {request['ShardId']}")
    first = shard.starting_sequence_number
    if kind in _BY_NUMBER:
        place = max(first, int(number or 0) + _BY_NUMBER[kind])
    else:
        place = first + (len(shard.items) if kind == "LATEST" else 0)
    return {"ShardIterator": _iterator(request["StreamArn"], place)}


def _get_records(context: RequestContext, request: Mapping[str, Any]) -> Any:
    arn, place, made_at = _read(request["ShardIterator"])
    if arn.split(":")[3] != context.region:
        raise _invalid("ShardIterator: it is of another region")
    if time.time() - made_at > ITERATOR_LIVES_S:
        raise ExpiredIteratorException("Iterator expired: ask for a new one.")
    _, shard = _stream(arn)
    found = shard.get(place, min(request.get("Limit") or MOST_RECORDS, MOST_RECORDS))
    region = arn.split(":")[3]
    return {
        "Records": [_record_of(record, region) for record in found],
        "NextShardIterator": _iterator(arn, place + len(found)),
    }


OPERATIONS: Mapping[str, Callable[[RequestContext, Any], Any]] = {
    "DescribeStream": _describe_stream,
    "GetRecords": _get_records,
    "GetShardIterator": _get_shard_iterator,
    "ListStreams": _list_streams,
}


def _stream(arn: str) -> tuple[Table, StreamShard]:
    """The table whose stream this is, and the stream's one shard."""
    try:
        _, _, _, region, account, place = arn.split(":", 5)
        _, name, _, label = place.split("/", 3)
    except ValueError as error:
        raise _invalid(f"StreamArn: {arn} is no ARN of a stream") from error
    table = _tables(account, region).get(name)
    if table is None or table.stream_shard is None or table.latest_stream_label != label:
        raise ResourceNotFoundException(f"Requested resource not found: Stream: {arn} not found")
    return table, table.stream_shard


def _tables(account: str, region: str) -> dict[str, Table]:
    SERVICE_PLUGINS.require("dynamodb")  # what is on disk comes back with it
    return dynamodb_backends[account][region].tables


def _record_of(record: Mapping[str, Any], region: str) -> dict[str, Any]:
    """Without images of what was not there."""
    change = {name: value for name, value in record["dynamodb"].items() if value != {}}
    at = datetime.fromisoformat(change["ApproximateCreationDateTime"])
    change["ApproximateCreationDateTime"] = at
    return {**record, "awsRegion": region, "eventVersion": "1.1", "dynamodb": change}


def _iterator(arn: str, place: int) -> str:
    return base64.b64encode(json.dumps([arn, place, int(time.time())]).encode()).decode()


def _read(iterator: str) -> tuple[str, int, int]:
    try:
        arn, place, made_at = json.loads(base64.b64decode(iterator, validate=True))
        return str(arn), int(place), int(made_at)
    except (ValueError, TypeError) as error:
        raise _invalid("ShardIterator: it is none of this emulator's") from error


def _invalid(message: str) -> CommonServiceException:
    return CommonServiceException("ValidationException", message, sender_fault=True)
