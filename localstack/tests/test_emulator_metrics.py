"""What CloudWatch knows of functions and queues, asked for as course graders ask."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

WORK = """
    import time
    def handler(event, context):
        time.sleep(event.get("seconds", 0))
        if event.get("fail"):
            raise ValueError("asked to")
        return "done"
"""
Wait = Callable[..., Any]


def window(minutes: int = 10) -> dict[str, datetime]:
    now = datetime.now(UTC)
    return {
        "StartTime": now - timedelta(minutes=minutes),
        "EndTime": now + timedelta(minutes=minutes),
    }


def of_function(name: str) -> list[dict[str, str]]:
    return [{"Name": "FunctionName", "Value": name}]


def figure(
    client: Any, name: str, stat: str, dimensions: list[dict[str, str]] | None = None
) -> Any:
    """One figure over the last minutes, by get_metric_data."""
    metric = {"Namespace": "AWS/Lambda", "MetricName": name, "Dimensions": dimensions or []}
    query = {"Id": "m1", "MetricStat": {"Metric": metric, "Period": 3600, "Stat": stat}}
    values = client.get_metric_data(MetricDataQueries=[query], **window())["MetricDataResults"][0]
    assert values["StatusCode"] == "Complete"
    return values["Values"][0] if values["Values"] else None


@pytest.fixture(scope="module")
def counted(emulator: Any, deploy_into: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A function that was invoked five times at once, and failed twice."""
    deployer = deploy_into(emulator, tmp_path_factory.mktemp("counted"), "counted")
    deployer.create("counted", WORK)
    with ThreadPoolExecutor(5) as pool:
        list(pool.map(lambda _: deployer.invoke("counted", seconds=3.0), range(5)))
    for _ in range(2):
        deployer.invoke("counted", fail=True)
    return deployer


def test_invocations_and_errors_are_counted_by_function(emulator: Any, counted: Any) -> None:
    client = emulator.client("cloudwatch")
    dimensions = of_function("counted")
    assert figure(client, "Invocations", "Sum", dimensions) == 7
    assert figure(client, "Errors", "Sum", dimensions) == 2
    assert figure(client, "Errors", "Average", dimensions) == pytest.approx(2 / 7)
    assert figure(client, "Throttles", "Sum", dimensions) == 0
    resource = [*dimensions, {"Name": "Resource", "Value": "counted"}]
    assert figure(client, "Invocations", "SampleCount", resource) == 7


def test_duration_is_the_functions_without_its_cold_start(emulator: Any, counted: Any) -> None:
    client = emulator.client("cloudwatch")
    longest = figure(client, "Duration", "Maximum", of_function("counted"))
    assert 3000 <= longest < 4000
    assert figure(client, "Duration", "p50", of_function("counted")) >= 3000
    assert figure(client, "Duration", "Minimum", of_function("counted")) < 2000


def test_concurrency_is_known_with_and_without_dimensions(emulator: Any, counted: Any) -> None:
    client = emulator.client("cloudwatch")
    assert figure(client, "ConcurrentExecutions", "Maximum", of_function("counted")) == 5
    assert figure(client, "ConcurrentExecutions", "Maximum") >= 5
    assert figure(client, "UnreservedConcurrentExecutions", "Maximum") >= 5


def test_statistics_of_graders(emulator: Any, counted: Any) -> None:
    client = emulator.client("cloudwatch")
    answer = client.get_metric_statistics(
        Namespace="AWS/Lambda",
        MetricName="Duration",
        Dimensions=of_function("counted"),
        Period=3600,
        Statistics=["Average", "Maximum", "SampleCount"],
        Unit="Milliseconds",
        **window(),
    )
    (point,) = answer["Datapoints"]
    assert (answer["Label"], point["Unit"], point["SampleCount"]) == ("Duration", "Milliseconds", 7)
    assert point["Average"] < point["Maximum"]
    (point,) = client.get_metric_statistics(
        Namespace="AWS/Lambda",
        MetricName="Duration",
        Dimensions=of_function("counted"),
        Period=3600,
        ExtendedStatistics=["p90", "p99.9"],
        **window(),
    )["Datapoints"]
    assert point["ExtendedStatistics"]["p99.9"] >= point["ExtendedStatistics"]["p90"]
    named = client.list_metrics(Namespace="AWS/Lambda", Dimensions=of_function("counted"))
    names = {metric["MetricName"] for metric in named["Metrics"]}
    assert {"Invocations", "Errors", "Duration", "Throttles", "ConcurrentExecutions"} <= names


def test_metric_math_calculates_or_says_that_it_does_not(emulator: Any, counted: Any) -> None:
    client = emulator.client("cloudwatch")
    queries = [
        {
            "Id": name.lower(),
            "ReturnData": False,
            "MetricStat": {
                "Metric": {
                    "Namespace": "AWS/Lambda",
                    "MetricName": name,
                    "Dimensions": of_function("counted"),
                },
                "Period": 3600,
                "Stat": "Sum",
            },
        }
        for name in ("Errors", "Invocations")
    ]
    rate = {"Id": "rate", "Expression": "100 * errors / invocations", "Label": "error rate"}
    (result,) = client.get_metric_data(MetricDataQueries=[*queries, rate], **window())[
        "MetricDataResults"
    ]
    assert (result["Id"], result["Label"]) == ("rate", "error rate")
    assert result["Values"] == [pytest.approx(200 / 7)]
    unknown = {"Id": "rate", "Expression": "ANOMALY_DETECTION_BAND(errors)"}
    with pytest.raises(ClientError, match="calculated here are"):
        client.get_metric_data(MetricDataQueries=[*queries, unknown], **window())


def test_what_does_not_run_is_a_throttle_and_no_invocation(emulator: Any, deployer: Any) -> None:
    deployer.create("throttled", WORK)
    emulator.client("lambda").put_function_concurrency(
        FunctionName="throttled", ReservedConcurrentExecutions=0
    )
    with contextlib.suppress(ClientError):
        deployer.invoke("throttled")
        pytest.fail("it ran")
    client = emulator.client("cloudwatch")
    assert figure(client, "Throttles", "Sum", of_function("throttled")) == 1
    assert figure(client, "Invocations", "Sum", of_function("throttled")) is None
    # It was counted among those that run, and graders saw more than the limit allows.
    assert figure(client, "ConcurrentExecutions", "Maximum", of_function("throttled")) is None


def test_events_wait_for_a_share_that_was_reserved_after_the_function_was_made(
    emulator: Any, deployer: Any, wait_until: Wait
) -> None:
    """They were taken off the queue as for the whole account, throttled, and came back late."""
    deployer.create("reserved", "import time\ndef handler(event, context):\n    time.sleep(0.3)\n")
    client = emulator.client("lambda")
    client.put_function_concurrency(FunctionName="reserved", ReservedConcurrentExecutions=1)
    for _ in range(5):
        client.invoke(FunctionName="reserved", InvocationType="Event", Payload=b"{}")
    metrics = emulator.client("cloudwatch")

    def all_ran() -> bool:
        return figure(metrics, "Invocations", "Sum", of_function("reserved")) == 5

    wait_until(all_ran)
    assert figure(metrics, "Throttles", "Sum", of_function("reserved")) == 0
    assert figure(metrics, "ConcurrentExecutions", "Maximum", of_function("reserved")) == 1


def test_queues_count_messages(emulator: Any, wait_until: Wait) -> None:
    queues, client = emulator.client("sqs"), emulator.client("cloudwatch")
    url = queues.create_queue(QueueName="counted-queue")["QueueUrl"]
    queues.send_message(QueueUrl=url, MessageBody="12345")
    (message,) = queues.receive_message(QueueUrl=url)["Messages"]
    queues.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])

    def total(name: str) -> float:
        points = client.get_metric_statistics(
            Namespace="AWS/SQS",
            MetricName=name,
            Dimensions=[{"Name": "QueueName", "Value": "counted-queue"}],
            Period=3600,
            Statistics=["Sum"],
            **window(),
        )["Datapoints"]
        return sum(point["Sum"] for point in points)

    names = ("NumberOfMessagesSent", "NumberOfMessagesReceived", "NumberOfMessagesDeleted")
    assert [total(name) for name in names] == [1, 1, 1]
    assert total("SentMessageSize") == 5


def test_own_values_come_back_with_percentiles(emulator: Any) -> None:
    client = emulator.client("cloudwatch")
    client.put_metric_data(
        Namespace="own",
        MetricData=[{"MetricName": "n", "Values": [1, 2, 3, 100], "Counts": [97, 1, 1, 1]}],
    )
    query = {"Metric": {"Namespace": "own", "MetricName": "n"}, "Period": 3600}
    queries = [
        {"Id": f"q{number}", "MetricStat": {**query, "Stat": stat}}
        for number, stat in enumerate(("p50", "p98", "p99", "p100", "Average", "SampleCount"))
    ]
    results = client.get_metric_data(MetricDataQueries=queries, **window())["MetricDataResults"]
    assert [one["Values"] for one in results] == [
        pytest.approx([value]) for value in (1, 2.02, 3.97, 100, 2.02, 100)
    ]


def test_an_alarm_sees_what_was_put(emulator: Any, wait_until: Wait) -> None:
    client = emulator.client("cloudwatch")
    client.put_metric_alarm(
        AlarmName="too many",
        Namespace="own",
        MetricName="alarming",
        Statistic="Sum",
        Period=10,
        EvaluationPeriods=1,
        Threshold=3,
        ComparisonOperator="GreaterThanThreshold",
        ActionsEnabled=False,
    )
    client.put_metric_data(Namespace="own", MetricData=[{"MetricName": "alarming", "Value": 5}])
    state = lambda: client.describe_alarms(AlarmNames=["too many"])["MetricAlarms"][0]["StateValue"]  # noqa: E731
    assert wait_until(lambda: state() == "ALARM", 30)
    client.delete_alarms(AlarmNames=["too many"])


def test_a_state_that_is_set_right_after_an_alarm_is_not_lost(emulator: Any) -> None:
    """LocalStack looked at the alarm meanwhile, and set it back."""
    client = emulator.client("cloudwatch")
    names = [f"set at once {number}" for number in range(10)]
    for name in names:
        client.put_metric_alarm(
            AlarmName=name,
            Namespace="own",
            MetricName="never",
            Statistic="Sum",
            Period=60,
            EvaluationPeriods=1,
            Threshold=3,
            ComparisonOperator="GreaterThanThreshold",
            ActionsEnabled=False,
        )
        client.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="a test")
        found = client.describe_alarms(AlarmNames=[name])["MetricAlarms"]
        assert [one["StateValue"] for one in found] == ["ALARM"], name
    client.delete_alarms(AlarmNames=names)


def test_queries_are_refused_as_cloudwatch_refuses_them(emulator: Any) -> None:
    client = emulator.client("cloudwatch")
    metric = {"Namespace": "own", "MetricName": "n"}
    good = {"Metric": metric, "Period": 60, "Stat": "Sum"}
    for stat, why in (
        ({**good, "Stat": "p101"}, "parameter Stat"),
        ({**good, "Period": 45}, "parameter Period"),
    ):
        with pytest.raises(ClientError, match=why):
            client.get_metric_data(MetricDataQueries=[{"Id": "m", "MetricStat": stat}], **window())
    with pytest.raises(ClientError, match="parameter Id"):
        client.get_metric_data(MetricDataQueries=[{"Id": "M", "MetricStat": good}], **window())
    with pytest.raises(ClientError, match="not unique"):
        client.get_metric_data(MetricDataQueries=[{"Id": "m", "MetricStat": good}] * 2, **window())
    with pytest.raises(ClientError, match="At least one of the parameters"):
        client.get_metric_statistics(**metric, Period=60, **window())


def test_an_api_that_is_off_says_how_it_is_switched_on(own_emulator: Any) -> None:
    own_emulator.extra = {
        "SERVICES": "s3,sqs,dynamodb,",  # whose streams need no Kinesis here
        "IMAGE_FUNCTIONS_SERVICES_SETTING": "OUR_SERVICES",
    }
    own_emulator.start()
    off = {"cloudwatch": "list_metrics", "ssm": "describe_parameters", "kinesis": "list_streams"}
    for service, call in off.items():
        with pytest.raises(ClientError, match=f"OUR_SERVICES={service}") as refused:
            getattr(own_emulator.client(service), call)()
        assert refused.value.response["Error"]["Code"] == "ServiceDisabled"
    own_emulator.client("sqs").create_queue(QueueName="q")
