"""Logs, metrics, topics, rules, parameters, secrets, schedules."""

from __future__ import annotations

import json
import time

from localstack.tests.kinds.world import World, kind


@kind("logs")
class Logs:
    @staticmethod
    def make(world: World) -> None:
        logs = world.client("logs")
        logs.create_log_group(logGroupName="g", tags={"owner": "lab"})
        logs.put_retention_policy(logGroupName="g", retentionInDays=3)
        logs.create_log_stream(logGroupName="g", logStreamName="s")
        logs.put_metric_filter(
            logGroupName="g", filterName="errors", filterPattern="ERROR",
            metricTransformations=[
                {"metricName": "errors", "metricNamespace": "lab", "metricValue": "1"}
            ],
        )  # fmt: skip
        logs.put_log_events(
            logGroupName="g", logStreamName="s",
            logEvents=[{"timestamp": int(time.time() * 1000), "message": "ü\x00 ERROR"}],
        )  # fmt: skip

    @staticmethod
    def check(world: World) -> None:
        logs = world.client("logs")
        (group,) = logs.describe_log_groups(logGroupNamePrefix="g")["logGroups"]
        assert group["retentionInDays"] == 3
        assert logs.list_tags_log_group(logGroupName="g")["tags"] == {"owner": "lab"}
        (event,) = logs.get_log_events(logGroupName="g", logStreamName="s")["events"]
        assert event["message"] == "ü\x00 ERROR"
        (one,) = logs.describe_metric_filters(logGroupName="g")["metricFilters"]
        assert one["filterPattern"] == "ERROR"


@kind("cloudwatch-metrics")
class Metrics:
    @staticmethod
    def make(world: World) -> None:
        now = time.time()
        world.noted["metrics-at"] = now
        world.client("cloudwatch").put_metric_data(
            Namespace="lab",
            MetricData=[
                {"MetricName": "clips", "Value": value, "Timestamp": now} for value in (1.0, 2.0)
            ],
        )

    @staticmethod
    def check(world: World) -> None:
        at = world.noted["metrics-at"]
        points = world.client("cloudwatch").get_metric_statistics(
            Namespace="lab", MetricName="clips", Period=60, Statistics=["Sum", "SampleCount"],
            StartTime=at - 120, EndTime=at + 120,
        )["Datapoints"]  # fmt: skip
        assert sum(one["Sum"] for one in points) == 3.0
        assert sum(one["SampleCount"] for one in points) == 2


@kind("cloudwatch-alarms")
class Alarms:
    """An alarm is there, and goes off by what is measured after the end."""

    @staticmethod
    def make(world: World) -> None:
        world.client("cloudwatch").put_metric_alarm(
            AlarmName="many", MetricName="letters", Namespace="lab", Statistic="Sum", Period=10,
            EvaluationPeriods=1, Threshold=1, ComparisonOperator="GreaterThanOrEqualToThreshold",
        )  # fmt: skip

    @staticmethod
    def check(world: World) -> None:
        cloudwatch = world.client("cloudwatch")

        def state() -> str:
            cloudwatch.put_metric_data(
                Namespace="lab", MetricData=[{"MetricName": "letters", "Value": 5}]
            )
            (alarm,) = cloudwatch.describe_alarms(AlarmNames=["many"])["MetricAlarms"]
            return str(alarm["StateValue"])

        world.wait(lambda: state() == "ALARM", "the alarm", 90)


@kind("sns")
class Topics:
    @staticmethod
    def make(world: World) -> None:
        sns = world.client("sns")
        topic = sns.create_topic(Name="news", Tags=[{"Key": "owner", "Value": "lab"}])["TopicArn"]
        _, arn = world.queue("subscriber")
        sns.subscribe(
            TopicArn=topic, Protocol="sqs", Endpoint=arn,
            Attributes={"RawMessageDelivery": "true"},
        )  # fmt: skip
        world.noted["topic"] = topic

    @staticmethod
    def check(world: World) -> None:
        sns, sqs = world.client("sns"), world.client("sqs")
        topic = world.noted["topic"]
        sns.publish(TopicArn=topic, Message="hello")
        url = sqs.get_queue_url(QueueName="subscriber")["QueueUrl"]
        assert world.bodies(url) == ["hello"]
        assert sns.list_tags_for_resource(ResourceArn=topic)["Tags"][0]["Value"] == "lab"


@kind("events-bus-and-pattern")
class Rules:
    @staticmethod
    def make(world: World) -> None:
        events = world.client("events")
        events.create_event_bus(Name="lab")
        _, arn = world.queue("rule-target")
        pattern = json.dumps({"source": ["camera"]})
        events.put_rule(Name="camera", EventBusName="lab", EventPattern=pattern)
        events.put_targets(Rule="camera", EventBusName="lab", Targets=[{"Id": "q", "Arn": arn}])

    @staticmethod
    def check(world: World) -> None:
        entries = [
            {"Source": source, "DetailType": "d", "Detail": "{}", "EventBusName": "lab"}
            for source in ("nobody", "camera")
        ]
        done = world.client("events").put_events(Entries=entries)
        assert done["FailedEntryCount"] == 0
        url = world.client("sqs").get_queue_url(QueueName="rule-target")["QueueUrl"]
        (body,) = world.bodies(url)
        assert json.loads(body)["source"] == "camera"


@kind("ssm")
class Parameters:
    @staticmethod
    def make(world: World) -> None:
        ssm = world.client("ssm")
        ssm.put_parameter(Name="/lab/threshold", Value="0.5", Type="String")
        ssm.put_parameter(Name="/lab/threshold", Value="0.6", Type="String", Overwrite=True)
        ssm.put_parameter(
            Name="/lab/secret", Value="s3cret", Type="SecureString",
            Tags=[{"Key": "owner", "Value": "lab"}],
        )  # fmt: skip

    @staticmethod
    def check(world: World) -> None:
        ssm = world.client("ssm")
        found = ssm.get_parameter(Name="/lab/threshold")["Parameter"]
        assert (found["Value"], found["Version"]) == ("0.6", 2)
        assert len(ssm.get_parameter_history(Name="/lab/threshold")["Parameters"]) == 2
        secret = ssm.get_parameter(Name="/lab/secret", WithDecryption=True)["Parameter"]
        assert secret["Value"] == "s3cret"
        named = {"ResourceType": "Parameter", "ResourceId": "/lab/secret"}
        assert ssm.list_tags_for_resource(**named)["TagList"][0]["Value"] == "lab"
        ssm.add_tags_to_resource(
            **named | {"ResourceId": "/lab/threshold"}, Tags=[{"Key": "a", "Value": "b"}]
        )


@kind("secretsmanager")
class Secrets:
    @staticmethod
    def make(world: World) -> None:
        world.client("secretsmanager").create_secret(Name="db", SecretString="hidden")

    @staticmethod
    def check(world: World) -> None:
        found = world.client("secretsmanager").get_secret_value(SecretId="db")
        assert found["SecretString"] == "hidden"


@kind("scheduler")
class Schedules:
    @staticmethod
    def make(world: World) -> None:
        _, arn = world.queue("scheduled")
        world.client("scheduler").create_schedule(
            Name="s", ScheduleExpression="rate(1 hours)", FlexibleTimeWindow={"Mode": "OFF"},
            Target={"Arn": arn, "RoleArn": "arn:aws:iam::000000000000:role/r"},
        )  # fmt: skip

    @staticmethod
    def check(world: World) -> None:
        assert world.client("scheduler").get_schedule(Name="s")["State"] == "ENABLED"
