"""What the pages of CloudWatch say of its parameters beyond its model."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from localstack.aws.api import CommonServiceException
from localstack.aws.api.cloudwatch import (
    InvalidFormatFault,
    InvalidParameterCombinationException,
    InvalidParameterValueException,
)

MOST_METRICS = 1_000
MOST_VALUES = 150
_DASHBOARD = re.compile(r"[A-Za-z0-9_-]{1,255}", re.ASCII)


def _validation(message: str) -> CommonServiceException:
    return CommonServiceException("ValidationError", message, sender_fault=True)


def _put_data(request: Mapping[str, Any]) -> None:
    data = request.get("MetricData") or ()
    if len(data) > MOST_METRICS:
        raise InvalidParameterValueException(
            f"The collection MetricData must not have a size greater than {MOST_METRICS}."
        )
    for number, one in enumerate(data, 1):
        if len(one.get("Values") or ()) > MOST_VALUES:
            raise InvalidParameterValueException(
                f"The collection MetricData.member.{number}.Values must not have a size greater "
                f"than {MOST_VALUES}."
            )


def _put_alarm(request: Mapping[str, Any]) -> None:
    points, periods = request.get("DatapointsToAlarm"), request.get("EvaluationPeriods")
    if points and periods and points > periods:
        raise _validation("DatapointsToAlarm must be less than or equal to EvaluationPeriods.")
    if request.get("Statistic") and request.get("ExtendedStatistic"):
        raise _validation("Statistic and ExtendedStatistic can't both be given.")


def _describe_alarms(request: Mapping[str, Any]) -> None:
    if request.get("AlarmNames") and request.get("AlarmNamePrefix"):
        raise InvalidParameterCombinationException(
            "AlarmNames and AlarmNamePrefix can't both be given."
        )


def _set_state(request: Mapping[str, Any]) -> None:
    data = request.get("StateReasonData")
    if data and not _is_json(data):
        raise InvalidFormatFault("StateReasonData is no valid JSON.")


def _put_dashboard(request: Mapping[str, Any]) -> None:
    name = request["DashboardName"]
    if not _DASHBOARD.fullmatch(name):
        raise CommonServiceException(
            "InvalidParameterInput",
            f"The DashboardName {name} is invalid: A-Z, a-z, 0-9, - and _, 255 at most.",
            sender_fault=True,
        )
    if not _is_json(request["DashboardBody"]):
        raise CommonServiceException(
            "InvalidParameterInput", "The field DashboardBody must be valid JSON", sender_fault=True
        )


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


CHECKS: Mapping[str, Callable[[Any], None]] = {
    "DescribeAlarms": _describe_alarms,
    "PutDashboard": _put_dashboard,
    "PutMetricAlarm": _put_alarm,
    "PutMetricData": _put_data,
    "SetAlarmState": _set_state,
}
