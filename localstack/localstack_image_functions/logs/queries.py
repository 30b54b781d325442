"""Logs Insights' operations: queries, those kept by a name, and what fields events have."""

from __future__ import annotations

import base64
import json
import time
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from localstack.aws.api import RequestContext, handler
from localstack.aws.api.logs import InvalidParameterException, ResourceNotFoundException
from localstack.services.logs.models import get_moto_logs_backend
from localstack.services.moto import call_moto_with_request
from localstack.services.stores import AccountRegionBundle, BaseStore, LocalAttribute
from moto.logs import models

from localstack_image_functions.logs.groups import checked, group_of, name_in
from localstack_image_functions.logs.insights import Row, event_row, read_query
from localstack_image_functions.logs.insights_expressions import shown

RUNNING, COMPLETE, CANCELLED = "Running", "Complete", "Cancelled"
MOST_RESULTS = 10_000
MOST_LISTED = 1_000
LATEST_S = 15 * 60
AROUND_S = 8 * 60


class QueryStore(BaseStore):
    """An account's query definitions in a region."""

    definitions: dict[str, dict[str, Any]] = LocalAttribute(default=dict)


query_stores = AccountRegionBundle("logs-queries", QueryStore, validate=False)


class Queries:
    """Handlers of a provider of CloudWatch Logs."""

    @handler("StartQuery", expand=False)
    def start_query(self, context: RequestContext, request: Any) -> Any:
        """Run a query. It is said to run until somebody asks for it, so that it can be stopped.

        Raises
        ------
        ResourceNotFoundException
            When one of its log groups is not there.
        """
        read = checked(lambda: read_query(request["queryString"]))
        own = dict(request)
        names = own.pop("logGroupIdentifiers", None) or own.get("logGroupNames") or []
        names = [*names, *([own.pop("logGroupName")] if own.get("logGroupName") else [])]
        own["logGroupNames"] = [name_in(context, name) for name in names]
        backend = get_moto_logs_backend(context.account_id, context.region)
        for name in own["logGroupNames"]:
            if name not in backend.groups:
                raise ResourceNotFoundException(
                    f"Log group '{name}' does not exist for account ID '{context.account_id}' "
                    "(Service: AWSLogs; Status Code: 400; Error Code: ResourceNotFoundException; "
                    f"Request ID: {context.request_id}; Proxy: null)"
                )
        answer = call_moto_with_request(context, own)
        groups = [backend.groups[name] for name in own["logGroupNames"]]
        events = list(_events_between(groups, request["startTime"], request["endTime"]))
        found = read.run([_row(*one) for one in events], limit=request.get("limit") or MOST_RESULTS)
        query = backend.queries[answer["queryId"]]
        query.results, query.status = found.rows, RUNNING
        query.statistics = {
            "recordsMatched": float(found.matched),
            "recordsScanned": float(len(events)),
            "bytesScanned": float(sum(len(event.message.encode()) for *_, event in events)),
        }
        return answer

    @handler("GetQueryResults", expand=False)
    def get_query_results(self, context: RequestContext, request: Any) -> dict[str, Any]:
        """A query's results.

        Raises
        ------
        ResourceNotFoundException
            When there is no query with this id.
        """
        query = _query(context, request)
        _complete(query)
        # Those of a lab that an earlier version kept have none.
        return {**query.to_result_json(), "statistics": vars(query).get("statistics", {})}

    @handler("StopQuery", expand=False)
    def stop_query(self, context: RequestContext, request: Any) -> dict[str, Any]:
        """End a query that nobody has asked for yet.

        Raises
        ------
        InvalidParameterException
            When it has ended already.
        """
        query = _query(context, request)
        if query.status != RUNNING:
            raise InvalidParameterException(f"Query {request['queryId']} is not running.")
        query.results, query.status = [], CANCELLED
        return {"success": True}

    @handler("DescribeQueries", expand=False)
    def describe_queries(self, context: RequestContext, request: Any) -> dict[str, Any]:
        """Queries of a group or of all, the newest first."""
        group, status = request.get("logGroupName"), request.get("status")
        found = []
        for query in get_moto_logs_backend(context.account_id, context.region).queries.values():
            _complete(query)
            if group in (None, *query.log_group_names) and status in (None, query.status):
                found.append(query.to_json(group or query.log_group_names[0]))
        found.sort(key=lambda one: one["createTime"], reverse=True)
        return _page(request, "queries", found)

    @handler("PutQueryDefinition", expand=False)
    def put_query_definition(self, context: RequestContext, request: Any) -> dict[str, Any]:
        kept = _definitions(context)
        number = request.get("queryDefinitionId")
        if number:
            _definition(context, number)
        number = number or str(uuid.uuid4())
        kept[number] = {
            "queryLanguage": "CWLI",
            **{name: value for name, value in request.items() if name != "clientToken"},
            "queryDefinitionId": number,
            "lastModified": int(time.time() * 1000),
        }
        return {"queryDefinitionId": number}

    @handler("DescribeQueryDefinitions", expand=False)
    def describe_query_definitions(self, context: RequestContext, request: Any) -> dict[str, Any]:
        prefix = request.get("queryDefinitionNamePrefix") or ""
        found = [one for one in _definitions(context).values() if one["name"].startswith(prefix)]
        return _page(request, "queryDefinitions", sorted(found, key=lambda one: one["name"]))

    @handler("DeleteQueryDefinition", expand=False)
    def delete_query_definition(self, context: RequestContext, request: Any) -> dict[str, Any]:
        _definition(context, request["queryDefinitionId"])
        del _definitions(context)[request["queryDefinitionId"]]
        return {"success": True}

    @handler("GetLogRecord", expand=False)
    def get_log_record(self, context: RequestContext, request: Any) -> dict[str, Any]:
        """An event that a query found, with all the fields that are in it.

        Raises
        ------
        ResourceNotFoundException
            When it is not there any more.
        """
        name, stream_name, number = _place(request["logRecordPointer"])
        group = get_moto_logs_backend(context.account_id, context.region).groups.get(name)
        stream = group and group.streams.get(stream_name)
        for event in stream.events if stream else ():
            if event.event_id == number:
                row = _row(group, stream_name, event)
                return {"logRecord": {field: shown(value) for field, value in row.items()}}
        raise ResourceNotFoundException("The specified log record does not exist.")

    @handler("GetLogGroupFields", expand=False)
    def get_log_group_fields(self, context: RequestContext, request: Any) -> dict[str, Any]:
        """How many percent of the events of a time have each field."""
        group, center = group_of(context, request), request.get("time")
        now = time.time()
        start, end = (now - LATEST_S, now) if center is None else _around(int(center))
        rows = [_row(*one) for one in _events_between([group], start, end)]
        counts = Counter(field for row in rows for field in row)
        fields = [
            {"name": name, "percent": round(100 * count / len(rows))}
            for name, count in counts.items()
        ]
        return {"logGroupFields": sorted(fields, key=lambda one: (-one["percent"], one["name"]))}


def run_no_query_twice() -> None:
    """Let moto keep queries without running them: it knows `fields` and `limit` alone."""
    models.execute_query = lambda **_: []


def _events_between(
    groups: Iterable[Any], start_s: float, end_s: float
) -> Iterator[tuple[Any, str, Any]]:
    """Every event of a time with its group and its stream's name."""
    for group in groups:
        for name, stream in list(group.streams.items()):
            for event in list(stream.events):
                if start_s * 1000 <= event.timestamp <= end_s * 1000 + 999:
                    yield group, name, event


def _row(group: Any, stream: str, event: Any) -> Row:
    row = event_row(
        event.message, event.timestamp, event.ingestion_time,
        f"{group.account_id}:{group.name}", stream,
    )  # fmt: skip
    return row | {"@ptr": _pointer(group.name, stream, event.event_id)}


def _pointer(group: str, stream: str, number: int) -> str:
    place = json.dumps([group, stream, number], separators=(",", ":"))
    return base64.urlsafe_b64encode(place.encode()).decode()


def _place(pointer: str) -> tuple[str, str, int]:
    try:
        group, stream, number = json.loads(base64.urlsafe_b64decode(pointer))
    except (ValueError, TypeError) as error:
        raise InvalidParameterException("The specified logRecordPointer is invalid.") from error
    return group, stream, number


def _around(center_s: int) -> tuple[int, int]:
    return center_s - AROUND_S, center_s + AROUND_S


def _query(context: RequestContext, request: Any) -> Any:
    backend = get_moto_logs_backend(context.account_id, context.region)
    query = backend.queries.get(request["queryId"])
    if query is None:
        raise ResourceNotFoundException(f"Query {request['queryId']} does not exist.")
    return query


def _complete(query: Any) -> None:
    if query.status == RUNNING:
        query.status = COMPLETE


def _definitions(context: RequestContext) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = query_stores[context.account_id][context.region].definitions
    return found


def _definition(context: RequestContext, number: str) -> dict[str, Any]:
    found = _definitions(context).get(number)
    if found is None:
        raise ResourceNotFoundException("The specified query definition does not exist.")
    return found


def _page(request: Mapping[str, Any], name: str, found: list[Any]) -> dict[str, Any]:
    token, limit = request.get("nextToken") or "0", request.get("maxResults") or MOST_LISTED
    if not token.isdecimal():
        raise InvalidParameterException("The specified nextToken is invalid.")
    start = int(token)
    more = {"nextToken": str(start + limit)} if len(found) > start + limit else {}
    return {name: found[start : start + limit], **more}
