"""CloudWatch Logs whose filters, metric filters and queries do what they say."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

from localstack.aws.api import RequestContext, ServiceException, handler
from localstack.aws.api.logs import InvalidParameterException, ResourceNotFoundException
from localstack.services.logs import provider as upstream
from localstack.services.logs.models import get_moto_logs_backend, logs_stores
from localstack.services.moto import call_moto, call_moto_with_request
from localstack.state import StateVisitor
from localstack.utils.aws import arns
from localstack.utils.bootstrap import is_api_enabled

from localstack_image_functions.logs import live_tail
from localstack_image_functions.logs.conditions import number_of
from localstack_image_functions.logs.embedded_metrics import embedded_values
from localstack_image_functions.logs.groups import checked, group_of, name_in
from localstack_image_functions.logs.json_pattern import value_at
from localstack_image_functions.logs.notation import Values
from localstack_image_functions.logs.patterns import compile_pattern
from localstack_image_functions.logs.queries import Queries, query_stores, run_no_query_twice
from localstack_image_functions.logs.written import WRITTEN
from localstack_image_functions.metrics.store import METRICS, Metric, Owner

MOST_EVENTS = 10_000
MOST_GROUPS = 50


class LogsProvider(Queries, upstream.LogsProvider):
    """What moto and LocalStack leave out; everything else is theirs."""

    @handler("FilterLogEvents", expand=False)
    def filter_log_events(self, context: RequestContext, request: Any) -> dict[str, Any]:
        group = group_of(context, request)
        pattern = checked(lambda: compile_pattern(request.get("filterPattern")))
        streams = _streams(group, request)
        start, end = request.get("startTime") or 0, request.get("endTime")
        after = _position(request.get("nextToken"))
        found = sorted(
            (
                (event.timestamp, event.event_id, stream.log_stream_name, event)
                for stream in streams
                for event in list(stream.events)
                if event.timestamp >= start
                and (end is None or event.timestamp <= end)
                and (event.timestamp, event.event_id) > after
                and pattern.matches(event.message)
            ),
            key=lambda one: one[:2],
        )
        page = found[: request.get("limit") or MOST_EVENTS]
        answer: dict[str, Any] = {
            "events": [{"logStreamName": name, **one.to_filter_dict()} for *_, name, one in page],
            "searchedLogStreams": [],  # what AWS gives since 2019
        }
        if len(found) > len(page):
            answer["nextToken"] = f"{page[-1][0]}@{page[-1][1]}"
        return answer

    @handler("GetLogEvents", expand=False)
    def get_log_events(self, context: RequestContext, request: Any) -> Any:
        """Without those at the end itself, which moto includes."""
        end = request.get("endTime")
        own = {**request, "logGroupName": group_of(context, request).name}
        own.pop("logGroupIdentifier", None)
        return call_moto_with_request(context, own | ({"endTime": end - 1} if end else {}))

    @handler("DescribeLogGroups", expand=False)
    def describe_log_groups(self, context: RequestContext, request: Any) -> Any:
        """A page of them, with what LocalStack leaves out."""
        answer = super().describe_log_groups(context, request)
        counts = Counter(
            one["logGroupName"]
            for one in get_moto_logs_backend(
                context.account_id, context.region
            ).filters.metric_filters
        )
        after, limit = request.get("nextToken") or "", request.get("limit") or MOST_GROUPS
        found = [one for one in answer["logGroups"] if one["logGroupName"] > after]
        answer["logGroups"] = [
            {**one, "metricFilterCount": counts[one["logGroupName"]]} for one in found[:limit]
        ]
        if len(found) > limit:
            answer["nextToken"] = found[limit - 1]["logGroupName"]
        return answer

    @handler("ListTagsForResource", expand=False)
    def list_tags_for_resource(self, context: RequestContext, request: Any) -> Any:
        _known(context, request["resourceArn"])
        return super().list_tags_for_resource(context, request["resourceArn"])

    @handler("UntagResource", expand=False)
    def untag_resource(self, context: RequestContext, request: Any) -> None:
        _known(context, request["resourceArn"])
        super().untag_resource(context, request["resourceArn"], request["tagKeys"])

    # LocalStack adds tags to those that a group was made with; where there were none it loses them.
    @handler("TagResource", expand=False)
    def tag_resource(self, context: RequestContext, request: Any) -> None:
        _known(context, request["resourceArn"])
        _tags_of(context, request["resourceArn"])
        super().tag_resource(context, request["resourceArn"], request["tags"])

    @handler("TagLogGroup", expand=False)
    def tag_log_group(self, context: RequestContext, request: Any) -> None:
        name = group_of(context, request).name
        _tags_of(context, arns.log_group_arn(name, context.account_id, context.region))
        super().tag_log_group(context, name, request["tags"])

    @handler("ListTagsLogGroup", expand=False)
    def list_tags_log_group(self, context: RequestContext, request: Any) -> Any:
        return super().list_tags_log_group(context, group_of(context, request).name)

    @handler("UntagLogGroup", expand=False)
    def untag_log_group(self, context: RequestContext, request: Any) -> None:
        super().untag_log_group(context, group_of(context, request).name, request["tags"])

    @handler("DeleteLogStream", expand=False)
    def delete_log_stream(self, context: RequestContext, request: Any) -> Any:
        """Delete one that is there.

        Raises
        ------
        ResourceNotFoundException
            When there is none of this name.
        """
        if request["logStreamName"] not in group_of(context, request).streams:
            raise ResourceNotFoundException("The specified log stream does not exist.")
        return call_moto(context)

    @handler("DeleteDestination", expand=False)
    def delete_destination(self, context: RequestContext, request: Any) -> Any:
        """Delete one that is there.

        Raises
        ------
        ResourceNotFoundException
            When there is none of this name.
        """
        backend = get_moto_logs_backend(context.account_id, context.region)
        known = {one.destination_name for one in backend.destinations.values()}
        if request["destinationName"] not in known:
            raise ResourceNotFoundException("The specified destination does not exist.")
        return call_moto(context)

    @handler("DeleteResourcePolicy", expand=False)
    def delete_resource_policy(self, context: RequestContext, request: Any) -> Any:
        """Delete one that is there.

        Raises
        ------
        ResourceNotFoundException
            When there is none of this name.
        """
        name = request.get("policyName")
        backend = get_moto_logs_backend(context.account_id, context.region)
        if name not in backend.resource_policies:
            raise ResourceNotFoundException(f"Policy with name [{name}] does not exist.")
        return call_moto(context)

    @handler("PutMetricFilter", expand=False)
    def put_metric_filter(self, context: RequestContext, request: Any) -> Any:
        checked(lambda: compile_pattern(request["filterPattern"]))
        group_of(context, request)
        before = _metric_filter(context, request)
        if before:  # it is replaced, where moto adds another
            get_moto_logs_backend(context.account_id, context.region).filters.metric_filters.remove(
                before
            )
        answer = call_moto(context)
        kept = _metric_filter(context, request)
        kept["creationTime"] = int(time.time() * 1000)
        return answer

    @handler("DescribeMetricFilters", expand=False)
    def describe_metric_filters(self, context: RequestContext, request: Any) -> Any:
        if request.get("logGroupName"):
            group_of(context, request)
        return call_moto(context)

    @handler("DeleteMetricFilter", expand=False)
    def delete_metric_filter(self, context: RequestContext, request: Any) -> Any:
        """Delete one that is there.

        Raises
        ------
        ResourceNotFoundException
            When there is none of this name.
        """
        group_of(context, request)
        if _metric_filter(context, request) is None:
            raise ResourceNotFoundException("The specified metric filter does not exist.")
        return call_moto(context)

    @handler("PutSubscriptionFilter", expand=False)
    def put_subscription_filter(self, context: RequestContext, request: Any) -> Any:
        """Of a function that is not there LocalStack says that it can't have a role.

        Raises
        ------
        InvalidParameterException
            When the pattern can't be read, or the destination is not there.
        """
        checked(lambda: compile_pattern(request["filterPattern"]))
        try:
            return call_moto(context)
        except ServiceException as error:
            if ":lambda:" not in request["destinationArn"] or "roleArn" not in error.message:
                raise
            raise InvalidParameterException(
                "Could not execute the lambda function. Make sure you have given CloudWatch Logs "
                "permission to execute your function."
            ) from error

    @handler("TestMetricFilter", expand=False)
    def test_metric_filter(self, context: RequestContext, request: Any) -> dict[str, Any]:
        pattern = checked(lambda: compile_pattern(request["filterPattern"]))
        found = enumerate(map(pattern.extract, request["logEventMessages"]), 1)
        return {
            "matches": [
                {
                    "eventNumber": number,
                    "eventMessage": request["logEventMessages"][number - 1],
                    "extractedValues": {f"${name}": value for name, value in values.items()},
                }
                for number, values in found
                if values is not None
            ]
        }

    @handler("PutLogEvents", expand=False)
    def put_log_events(self, context: RequestContext, request: Any) -> Any:
        answer = call_moto(context)
        owner = Owner(context.account_id, context.region)
        group, events = request["logGroupName"], request["logEvents"]
        _count_events(owner, group, events)
        live_tail.tell(owner, group, request["logStreamName"], events)
        return answer

    @handler("StartLiveTail", expand=False)
    def start_live_tail(self, context: RequestContext, request: Any) -> dict[str, Any]:
        return {"responseStream": live_tail.start(context, request)}

    def accept_state_visitor(self, visitor: StateVisitor) -> None:
        super().accept_state_visitor(visitor)
        visitor.visit(query_stores)


def write_events(owner: Owner, group: str, stream: str, events: list[dict[str, Any]]) -> None:
    """PutLogEvents of the emulator's own, without a request.

    Raises
    ------
    moto.logs.exceptions.ResourceNotFoundException
        When there is no such group or stream.
    """
    get_moto_logs_backend(owner.account, owner.region).put_log_events(group, stream, events)
    _count_events(owner, group, events)
    live_tail.tell(owner, group, stream, events)
    for told in WRITTEN:
        told(owner, group, stream, len(events))


def _count_events(owner: Owner, group: str, events: list[Any]) -> None:
    """What metric filters count, and what events say of metrics themselves."""
    if not is_api_enabled("cloudwatch"):
        return
    for one in get_moto_logs_backend(owner.account, owner.region).filters.metric_filters:
        if one["logGroupName"] == group:
            _count(owner, one, events)
    for event in events:
        for found in embedded_values(event["message"]):
            METRICS.add(owner, found.metric, found.value, found.unit, at=found.at)


def answer_queries() -> None:
    """Let moto's queries and LocalStack's subscription filters be those above."""
    run_no_query_twice()
    upstream.get_pattern_matcher = lambda _: (
        lambda pattern, event: compile_pattern(pattern).matches(event["message"])
    )


def _count(owner: Owner, metric_filter: dict[str, Any], events: list[Any]) -> None:
    pattern = compile_pattern(metric_filter["filterPattern"])
    for event in events:
        values = pattern.extract(event["message"])
        if values is None:
            continue
        for one in metric_filter["metricTransformations"]:
            value = _metric_value(one["metricValue"], event["message"], values)
            if value is not None:
                metric = Metric(one["metricNamespace"], one["metricName"])
                unit = one.get("unit")
                at = event["timestamp"] / 1000
                METRICS.add(owner, metric, value, None if unit == "None" else unit, at=at)


def _metric_value(asked: str, message: str, values: Values) -> float | None:
    """A number, `$.a` of a JSON message, or `$name` of a field."""
    if asked.startswith(("$.", "$[")):
        return number_of(value_at(message, asked))
    return number_of(values.get(asked[1:]) if asked.startswith("$") else asked)


def _metric_filter(context: RequestContext, request: Any) -> Any:
    """What moto keeps of a metric filter; None where there is none."""
    filters = get_moto_logs_backend(context.account_id, context.region).filters.metric_filters
    wanted = (request["logGroupName"], request["filterName"])
    return next(
        (one for one in filters if (one["logGroupName"], one["filterName"]) == wanted), None
    )


def _known(context: RequestContext, arn: str) -> None:
    """Refuse the ARN of a log group that is not there."""
    backend = get_moto_logs_backend(context.account_id, context.region)
    if ":log-group:" in arn and name_in(context, arn) not in backend.groups:
        raise ResourceNotFoundException("The specified log group does not exist.")


def _tags_of(context: RequestContext, arn: str) -> dict[str, str]:
    found: dict[str, str] = logs_stores[context.account_id][context.region].TAGS.setdefault(arn, {})
    return found


def _streams(group: Any, request: Any) -> list[Any]:
    names, prefix = request.get("logStreamNames"), request.get("logStreamNamePrefix")
    if names and prefix:
        raise InvalidParameterException(
            "logStreamNames and logStreamNamePrefix are mutually exclusive."
        )
    for name in names or ():
        if name not in group.streams:
            raise ResourceNotFoundException("The specified log stream does not exist.")
    return [
        stream
        for name, stream in list(group.streams.items())
        if (not names or name in names) and name.startswith(prefix or "")
    ]


def _position(token: str | None) -> tuple[int, int]:
    """The event after which a page begins."""
    if token is None:
        return (-1, -1)
    timestamp, _, number = token.partition("@")
    if not timestamp.isdecimal() or not number.isdecimal():
        raise InvalidParameterException("The specified nextToken is invalid.")
    return (int(timestamp), int(number))
