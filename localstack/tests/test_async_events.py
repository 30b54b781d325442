"""An event is kept until what follows from it is; asked of the emulator's own Python."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

PROGRAM = """
import json
from datetime import datetime, timedelta
from types import SimpleNamespace as Some
from localstack.aws.api.lambda_ import TooManyRequestsException
from localstack.runtime import events
from localstack.services.lambda_.invocation import event_manager
from localstack.services.lambda_.invocation.event_manager import SQSInvocation
from localstack.services.lambda_.invocation.lambda_models import Invocation, InvocationResult
from localstack.utils.xray.trace_header import TraceHeader
from localstack_image_functions import upstream
from localstack_image_functions.async_events import Poller, get_fake_sqs_client

upstream.queue_events_instead_of_throttling()
client = get_fake_sqs_client()


def version_manager(invoke, settings):
    return Some(
        function_version=Some(
            id=Some(qualifier="$LATEST", function_name="f", unqualified_arn=lambda: "arn"),
            qualified_arn="arn:$LATEST",
            config=Some(
                CapacityProviderConfig=None, timeout=3, package_type="Image", role="r",
                dead_letter_arn=None,
            ),
        ),
        function=Some(event_invoke_configs=settings, reserved_concurrent_executions=None),
        function_arn="arn", invoke=invoke,
    )


def event(began=None):
    return SQSInvocation(Invocation(
        payload=b"{}", invoked_arn="arn", client_context=None, invocation_type="Event",
        invoke_time=began or datetime.now(), request_id="1",
        trace_context={"aws_trace_header": TraceHeader().ensure_root_exists()},
    )).encode()


def told_of_age(age_s, most_s):
    # What the destination for failures is sent of an event that is throttled or fails at that age.
    def invoke(invocation):
        if how == "throttled":
            raise TooManyRequestsException("no environment")
        return InvocationResult(request_id="1", payload=b'"no"', logs="", is_error=True)

    told = {}
    for how in ("throttled", "fails"):
        name = f"aged-{age_s}-{most_s}-{how}"
        settings = Some(
            maximum_event_age_in_seconds=most_s, maximum_retry_attempts=2,
            destination_config={"OnFailure": {"Destination": "arn:aws:sqs:r:a:failed"}},
        )
        client.create_queue(QueueName=name)
        began = datetime.now() - timedelta(seconds=age_s)
        client.send_message(QueueUrl=name, MessageBody=event(began))
        (message,) = client.receive_message(QueueUrl=name, VisibilityTimeout=60)["Messages"]
        sent = []
        event_manager.send_event_to_target = lambda **event: sent.append(event)
        manager = version_manager(invoke, {"$LATEST": settings})
        Poller(manager, name).handle_message(message)
        queue = client.queue_manager.get_queue(name)
        told[how] = {
            "conditions": [one["event"]["requestContext"]["condition"] for one in sent],
            "to": [one["target_arn"] for one in sent],
            "waits": len(queue.delayed) + queue.visible.qsize() + len(queue.inflight),
        }
    return told


def left_behind(name, ends, how):
    def invoke(invocation):
        if ends:
            events.infra_stopping.set()
        if how == "raises":
            raise OSError("no environment")
        is_error = how in ("fails", "unsent")
        return InvocationResult(request_id="1", payload=b"{}", logs="", is_error=is_error)

    def put(**message):
        seen.append(len(queue.inflight))
        if how == "unsent":
            raise OSError("no space left on device")
        return original(**message)

    events.infra_stopping.clear()
    client.create_queue(QueueName=name)
    client.send_message(QueueUrl=name, MessageBody=event())
    (message,) = client.receive_message(QueueUrl=name, VisibilityTimeout=60)["Messages"]
    queue, seen = client.queue_manager.get_queue(name), []
    original, queue.put = queue.put, put
    Poller(version_manager(invoke, {}), name).handle_message(message)
    return {"in_flight": len(queue.inflight), "delayed": len(queue.delayed),
            "visible": queue.visible.qsize(), "in_flight_at_sends": seen}


def still_due(stops):
    # Rows that are left of an S3 event whose target is told while the emulator ends or not.
    from localstack_image_functions.state.s3 import _Delivered

    def notify(*_):
        told.append(1)
        if stops == "meanwhile":
            events.infra_stopping.set()
            raise OSError("503")

    events.infra_stopping.clear()
    if stops == "before":
        events.infra_stopping.set()
    rows, told = {"row"}, []
    database = Some(delete=rows.discard)
    try:
        _Delivered(Some(notify=notify), database, "row").notify(None, None)
    except OSError:
        pass
    return {"told": len(told), "due": len(rows)}


print(json.dumps({f"age-{age}": told_of_age(age, 300) for age in (1, 3600)} | {
    f"s3-{stops}": still_due(stops) for stops in ("before", "meanwhile", "not")} | {
    f"{when}-{how}": left_behind(f"{when}-{how}", when == "ending", how)
    for when in ("running", "ending") for how in ("succeeds", "fails", "raises", "unsent")
}))
"""


@pytest.fixture(scope="module")
def left_behind(asked_of_emulators_python: Callable[..., str]) -> dict[str, dict]:
    """By when it was and how the attempt went: what the queue holds, and how many events were in
    flight when the next attempt was sent."""
    return json.loads(asked_of_emulators_python(PROGRAM).splitlines()[-1])


@pytest.mark.parametrize("how", ["fails", "raises"])
def test_the_next_attempt_is_kept_before_the_event_goes(left_behind, how):
    """An emulator that ended between the two had lost the clip."""
    assert left_behind[f"running-{how}"] == {
        "in_flight": 0, "delayed": 1, "visible": 0, "in_flight_at_sends": [1]
    }  # fmt: skip


@pytest.mark.parametrize("how", ["fails", "raises"])
def test_an_attempt_that_fails_because_the_emulator_ends_is_none(left_behind, how):
    assert left_behind[f"ending-{how}"] == {
        "in_flight": 1, "delayed": 0, "visible": 0, "in_flight_at_sends": []
    }  # fmt: skip


@pytest.mark.parametrize("when", ["running", "ending"])
def test_an_event_that_was_answered_goes_even_then(left_behind, when):
    assert left_behind[f"{when}-succeeds"] == {
        "in_flight": 0, "delayed": 0, "visible": 0, "in_flight_at_sends": []
    }  # fmt: skip


def test_an_event_whose_next_attempt_can_not_be_kept_stays(left_behind):
    assert left_behind["running-unsent"] == {
        "in_flight": 1, "delayed": 0, "visible": 0, "in_flight_at_sends": [1]
    }  # fmt: skip


def test_an_s3_event_that_an_ending_emulator_could_not_tell_is_due_again(left_behind):
    assert left_behind["s3-before"] == {"told": 0, "due": 1}
    assert left_behind["s3-meanwhile"] == {"told": 1, "due": 1}
    assert left_behind["s3-not"] == {"told": 1, "due": 0}


@pytest.mark.parametrize("how", ["throttled", "fails"])
def test_an_event_that_is_too_old_goes_to_the_destination_for_failures(left_behind, how):
    assert left_behind["age-3600"][how] == {
        "conditions": ["EventAgeExceeded"], "to": ["arn:aws:sqs:r:a:failed"], "waits": 0
    }  # fmt: skip
    assert left_behind["age-1"][how] == {"conditions": [], "to": [], "waits": 1}
