"""CloudWatch: a row for each second that has values, and alarms at work again."""

from __future__ import annotations

import functools
import json
from typing import Any

from localstack.services.plugins import SERVICE_PLUGINS
from localstack.utils.sync import poll_condition

from localstack_image_functions.metrics.store import METRICS, MetricStore
from localstack_image_functions.state.database import Database, RowKey
from localstack_image_functions.state.errors import HostileState

SECOND = "metrics"


class MetricRows:
    """Keeps the seconds that have changed since the last time."""

    def __init__(self, database: Database, store: MetricStore = METRICS):
        self._database = database
        self._store = store

    def keep(self) -> None:
        """Leave what has changed for the next flush."""
        for second in self._store.take_changed():
            self._database.put_later(
                RowKey(SECOND, "", str(second)), functools.partial(self._value, second)
            )

    def read(self) -> dict[int, list[Any]]:
        """What was kept.

        Raises
        ------
        HostileState
            When a row is none of ours.
        """
        try:
            return {int(key): json.loads(row) for _, key, row in self._database.rows(SECOND)}
        except ValueError as error:
            raise HostileState("a second of metrics can't be read") from error

    def load(self, seconds: dict[int, list[Any]]) -> None:
        for second, values in seconds.items():
            self._store.put_back(second, values)

    def _value(self, second: int) -> bytes | None:
        values = self._store.at(second)
        return json.dumps(values, separators=(",", ":")).encode() if values else None


def resume_alarms_where_they_are() -> None:
    """Let LocalStack restart the alarms there are; it asks thirty regions, of one account."""
    from localstack.services.cloudwatch.alarm_scheduler import AlarmScheduler
    from localstack.services.cloudwatch.models import LocalStackMetricAlarm, cloudwatch_stores

    def restart_existing_alarms(scheduler: Any) -> None:
        poll_condition(lambda: SERVICE_PLUGINS.is_running("cloudwatch"))
        for _, _, store in cloudwatch_stores.iter_stores():
            for arn, alarm in list(store.alarms.items()):
                if isinstance(alarm, LocalStackMetricAlarm):
                    scheduler.schedule_metric_alarm(arn)

    AlarmScheduler.restart_existing_alarms = restart_existing_alarms
