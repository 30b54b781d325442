"""CloudWatch over the emulator's own store of metrics. Alarms and dashboards are LocalStack's."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

from localstack.aws.api import CommonServiceException, RequestContext, handler
from localstack.aws.api.cloudwatch import ResourceNotFoundException
from localstack.services.cloudwatch import alarm_scheduler
from localstack.services.cloudwatch.models import cloudwatch_stores
from localstack.services.cloudwatch.provider_v2 import CloudwatchProvider as Upstream
from localstack.services.cloudwatch.provider_v2 import (
    _validate_parameters_for_put_metric_data as check_metric_data,
)
from localstack.utils.aws.arns import parse_arn
from localstack.utils.collections import PaginatedList

from localstack_image_functions.metrics.expressions import UnsupportedExpression
from localstack_image_functions.metrics.queries import (
    InvalidQuery,
    Window,
    check_period,
    metric_data,
    metric_of,
    statistics,
)
from localstack_image_functions.metrics.store import METRICS, Metric, MetricStore, Owner

Result = TypeVar("Result")
PAGE = 500
FIRST_LOOK_S = 5
"""After an alarm was put; AWS looks at each once a minute."""
MOST_DATA_POINTS = 100_800


class CloudwatchProvider(Upstream):
    """What upstream reads from a database of its own is read from `store`."""

    def __init__(self, store: MetricStore = METRICS) -> None:
        self._metrics = store
        super().__init__()
        self.cloudwatch_database = self
        alarm_scheduler.collect_metric_data = self._collect_for_alarm

    def accept_state_visitor(self, visitor: Any) -> None:
        visitor.visit(cloudwatch_stores)

    def start_alarm_scheduler(self) -> None:
        """LocalStack looks at an alarm while it is put: a state that is set at once was lost."""
        super().start_alarm_scheduler()
        scheduler = self.alarm_scheduler.scheduler
        schedule = scheduler.schedule

        def schedule_later(**options: Any) -> Any:
            return schedule(**options, start=time.time() + FIRST_LOOK_S)

        if "schedule" not in vars(scheduler):
            scheduler.schedule = schedule_later

    def clear_tables(self) -> None:
        """Forget all values (a reset, which upstream asks its database for)."""
        self._metrics.clear()

    def get_all_metric_data(self) -> list[dict[str, Any]]:
        """Every value with its second: LocalStack's own page of raw metrics."""
        return [
            {
                "ns": metric.namespace,
                "n": metric.name,
                "v": value,
                "t": second,
                "d": [{"n": name, "v": one} for name, one in metric.dimensions],
                "account": owner.account,
                "region": owner.region,
            }
            for owner, metric, second, values in self._metrics.seconds()
            for value in values.values
        ]

    @handler("GetDashboard", expand=False)
    def get_dashboard(self, context: RequestContext, request: Any) -> Any:
        self._check_dashboards(context, [request["DashboardName"]])
        return super().get_dashboard(context, request["DashboardName"])

    @handler("DeleteDashboards", expand=False)
    def delete_dashboards(self, context: RequestContext, request: Any) -> Any:
        self._check_dashboards(context, request["DashboardNames"])
        return super().delete_dashboards(context, request["DashboardNames"])

    def _check_dashboards(self, context: RequestContext, names: list[str]) -> None:
        known = self.get_store(context.account_id, context.region).dashboards
        missing = [name for name in names if name not in known]
        if missing:
            raise CommonServiceException(
                "ResourceNotFound",
                f"Dashboard {', '.join(missing)} does not exist.",
                status_code=404,
                sender_fault=True,
            )

    @handler("TagResource", expand=False)
    def tag_resource(self, context: RequestContext, request: Any) -> Any:
        """Tags for what is there.

        Raises
        ------
        ResourceNotFoundException
            When there is no such alarm.
        """
        arn = request["ResourceARN"]
        alarms = self.get_store(context.account_id, context.region).alarms
        if ":alarm:" in arn and arn not in alarms:
            raise ResourceNotFoundException(f"The alarm {arn} does not exist.")
        return super().tag_resource(context, arn, request["Tags"])

    @handler("PutMetricData", expand=False)
    def put_metric_data(self, context: RequestContext, request: Any) -> None:
        data = request.get("MetricData") or []
        check_metric_data(data)
        for one in data:
            self._put(_owner(context), request["Namespace"], one)

    @handler("GetMetricData", expand=False)
    def get_metric_data(self, context: RequestContext, request: Any) -> dict[str, Any]:
        times = (request["StartTime"], request["EndTime"])
        found = _answer(
            lambda: metric_data(self._metrics, _owner(context), request["MetricDataQueries"], times)
        )
        newest_first = request.get("ScanBy") != "TimestampAscending"
        limit = min(request.get("MaxDatapoints") or MOST_DATA_POINTS, MOST_DATA_POINTS)
        skip = _position(request.get("NextToken"))
        results, more = [], False
        for key, label, series in found:
            points = sorted(series.items(), reverse=newest_first)
            page = points[skip : skip + limit]
            more = more or len(points) > skip + limit
            results.append(
                {
                    "Id": key,
                    "Label": label,
                    "StatusCode": "PartialData" if len(points) > skip + limit else "Complete",
                    "Timestamps": [datetime.fromtimestamp(at, UTC) for at, _ in page],
                    "Values": [value for _, value in page],
                }
            )
        answer: dict[str, Any] = {"MetricDataResults": results, "Messages": []}
        return answer | ({"NextToken": str(skip + limit)} if more else {})

    @handler("GetMetricStatistics", expand=False)
    def get_metric_statistics(self, context: RequestContext, request: Any) -> dict[str, Any]:
        def points() -> list[dict[str, Any]]:
            period = check_period(request["Period"])
            return statistics(
                self._metrics,
                _owner(context),
                metric_of(request),
                Window.of(request["StartTime"], request["EndTime"], period),
                period,
                [*(request.get("Statistics") or ()), *(request.get("ExtendedStatistics") or ())],
                request.get("Unit"),
            )

        return {"Label": request["MetricName"], "Datapoints": _answer(points)}

    @handler("ListMetrics", expand=False)
    def list_metrics(self, context: RequestContext, request: Any) -> dict[str, Any]:
        found = [
            {
                "Namespace": metric.namespace,
                "MetricName": metric.name,
                "Dimensions": [{"Name": name, "Value": value} for name, value in metric.dimensions],
            }
            for metric in self._metrics.metrics(_owner(context))
            if _is_asked_for(metric, request)
        ]
        page, token = PaginatedList(found).get_page(
            lambda one: json.dumps(one), next_token=request.get("NextToken"), page_size=PAGE
        )
        return {"Metrics": page, "NextToken": token}

    def _put(self, owner: Owner, namespace: str, one: Mapping[str, Any]) -> None:
        metric, unit = metric_of({**one, "Namespace": namespace}), one.get("Unit")
        unit, at = None if unit == "None" else unit, _unix(one.get("Timestamp"))
        if (value := one.get("Value")) is not None:
            self._metrics.add(owner, metric, value, unit, at=at)
        values = one.get("Values") or []
        for value, count in zip(values, one.get("Counts") or [1.0] * len(values), strict=True):
            self._metrics.add(owner, metric, value, unit, count, at)
        if known := one.get("StatisticValues"):
            figures = (known["SampleCount"], known["Sum"], known["Minimum"], known["Maximum"])
            self._metrics.add_set(owner, metric, figures, unit, at)

    def _collect_for_alarm(self, alarm: Mapping[str, Any], _client: Any) -> list[float | None]:
        """The newest periods up to now, the oldest first; None where nothing was counted.

        More than the alarm evaluates, for it may look further back where some are missing.
        """
        arn, period, now = parse_arn(alarm["AlarmArn"]), alarm["Period"], int(time.time()) + 1
        name = alarm.get("Statistic") or alarm.get("ExtendedStatistic") or "Average"
        number = alarm["EvaluationPeriods"] + max(alarm["EvaluationPeriods"] // 3, 2)
        start = now - number * period
        owner = Owner(arn["account"], arn["region"])
        found = self._metrics.periods(owner, metric_of(alarm), start, now, period)
        beginnings = range(start, now, period)
        return [found[at].statistic(name) if at in found else None for at in beginnings]


def _owner(context: RequestContext) -> Owner:
    return Owner(context.account_id, context.region)


def _answer(question: Callable[[], Result]) -> Result:
    try:
        return question()
    except InvalidQuery as error:
        raise CommonServiceException(error.code, str(error), sender_fault=True) from error
    except UnsupportedExpression as error:
        raise CommonServiceException("ValidationError", str(error), sender_fault=True) from error


def _position(token: str | None) -> int:
    if token and not token.isdecimal():
        raise CommonServiceException(
            "InvalidNextToken", "The specified NextToken is invalid.", sender_fault=True
        )
    return int(token or 0)


def _is_asked_for(metric: Metric, request: Mapping[str, Any]) -> bool:
    dimensions = dict(metric.dimensions)
    return (
        request.get("Namespace") in (None, metric.namespace)
        and request.get("MetricName") in (None, metric.name)
        and all(
            one["Name"] in dimensions and one.get("Value") in (None, dimensions[one["Name"]])
            for one in request.get("Dimensions") or ()
        )
    )


def _unix(when: datetime | None) -> float | None:
    if when is None:
        return None
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
