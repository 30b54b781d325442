"""What a function finds in its container, and what happens to one that misbehaves."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.conftest import wait_until
from tests.integration.docker.functions import deployed

NO_CAPABILITIES = ["0000000000000000"] * 4
MEMORY_MB = 256


@pytest.fixture(scope="module")
def uri(emulator, probe_image):
    return emulator.push(probe_image, "probe")


@pytest.fixture(scope="module")
def function(emulator, uri):
    """Shared by the tests that leave it alive."""
    with deployed(emulator, "probe", uri, MemorySize=MEMORY_MB) as function:
        yield function


@pytest.fixture(scope="module")
def found(function):
    answer = function.invoke("look_around")
    assert answer.error is None, answer.payload
    return answer.payload


def test_it_runs_as_lambdas_user_without_rights(found):
    assert (found["uid"], found["gid"], found["groups"]) == (993, 990, [990])
    assert found["capabilities"] == NO_CAPABILITIES
    assert found["no_new_privileges"] == "1"
    assert found["seccomp"] == "2"  # filtered
    assert found["open_files"] == [1024, 1024]


def test_only_tmp_is_writable_and_has_the_configured_size(found):
    assert found["writable"] == ["/tmp"]  # noqa: S108
    assert found["tmp_bytes"] == 512 * 2**20


def test_no_engine_socket_and_nothing_of_the_host_reaches_it(function, found):
    assert not found["engine_socket"]
    assert function.containers()[0].attrs["Mounts"] == []
    allowed = re.compile(
        r"AWS_\w+|_AWS_XRAY_\w+|LAMBDA_TASK_ROOT|LAMBDA_RUNTIME_DIR|_HANDLER|TZ|PATH|LANG|HOME"
        r"|HOSTNAME|LC_CTYPE|ANSWER|PYTHONUNBUFFERED|EDGE_PORT|LOCALSTACK_HOSTNAME"
        r"|NO_PROXY|no_proxy"  # the emulator is reached past any proxy
    )
    strange = [name for name in found["environment"] if not allowed.fullmatch(name)]
    assert strange == []
    assert found["environment"]["AWS_LAMBDA_FUNCTION_NAME"] == "probe"
    assert found["environment"]["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] == str(MEMORY_MB)


def test_the_images_own_command_is_honored(found):
    assert found["arguments"] == ["handler"]


def test_memory_and_cpu_are_limited_by_the_functions_memory(function, found):
    host = function.containers()[0].attrs["HostConfig"]
    assert host["Memory"] == host["MemorySwap"] == MEMORY_MB * 2**20
    share = function.invoke("compute", seconds=1.5).payload["share"]
    # One CPU for 1769 MB; the kernel gives it in slices, a busy host less of it.
    assert share < MEMORY_MB / 1769 * 1.5


def test_tmp_is_full_at_its_size(emulator, uri):
    with deployed(
        emulator, "small-tmp", uri, MemorySize=2048, EphemeralStorage={"Size": 600}
    ) as function:
        assert function.invoke("fill_tmp", mb=550).payload["errno"] is None
        assert function.invoke("fill_tmp", mb=650).payload["errno"] == 28  # ENOSPC


def test_warm_environment_is_used_again(function):
    first, second = function.invoke(), function.invoke()
    assert first.payload["life"] == second.payload["life"]
    assert "Init Duration" not in second.log


def test_raised_error_is_unhandled_and_keeps_the_environment(function):
    before = function.invoke().payload["life"]
    failed = function.invoke("fail")
    assert failed.error == "Unhandled"
    assert failed.payload == {"errorType": "ValueError", "errorMessage": "as the event wished"}
    assert function.invoke().payload["life"] == before


def test_output_arrives_in_whole_lines_and_in_the_log_group(emulator, function):
    log = function.invoke("say").log
    assert "first half, second half\n" in log
    assert "on the side\n" in log
    assert "münchen 🚀\n" in log
    assert re.search(r"REPORT RequestId: \S+\tDuration: [\d.]+ ms\tBilled Duration: \d+ ms", log)
    logs = emulator.client("logs")

    def messages():
        events = logs.filter_log_events(logGroupName="/aws/lambda/probe")["events"]
        return [event["message"] for event in events if "münchen" in event["message"]]

    wait_until(messages, 20, "the function's output in CloudWatch Logs")


@pytest.mark.parametrize(
    ("deed", "error_type", "message"),
    [
        ({"do": "fill_memory"}, "Runtime.OutOfMemory", "signal: killed"),
        ({"do": "leave", "status": 3}, "Runtime.ExitError", "exit status 3"),
        ({"do": "sleep", "seconds": 30}, "Sandbox.Timedout", "timed out after 3.00 seconds"),
    ],
)
def test_environment_that_dies_is_replaced(emulator, uri, deed, error_type, message):
    name = error_type.replace(".", "-").lower()
    with deployed(emulator, name, uri, MemorySize=128, Timeout=3) as function:
        before = function.invoke().payload["life"]
        failed = function.invoke(**deed)
        assert failed.error == "Unhandled"
        assert failed.payload["errorType"] == error_type
        assert message in failed.payload["errorMessage"]
        after = function.invoke()
        assert after.error is None, after.payload
        assert after.payload["life"] != before
        assert len(function.containers()) == 1


def test_failed_init_is_the_first_answer(emulator, uri):
    with deployed(
        emulator, "no-init", uri, Environment={"Variables": {"FAIL_INIT": "1"}}
    ) as function:
        failed = function.invoke()
        assert failed.error == "Unhandled"
        assert failed.payload["errorType"] == "Probe.Init"


def test_exit_during_init(emulator, uri):
    with deployed(
        emulator, "gone-at-init", uri, Environment={"Variables": {"EXIT_AT_INIT": "1"}}
    ) as function:
        failed = function.invoke()
        assert failed.payload["errorType"] == "Runtime.ExitError"
        assert "exit status 7" in failed.payload["errorMessage"]


def test_entry_point_that_is_not_there(emulator, uri):
    with deployed(emulator, "no-entry", uri, ImageConfig={"EntryPoint": ["/nowhere"]}) as function:
        assert function.invoke().payload["errorType"] == "Runtime.InvalidEntrypoint"
        assert function.containers() == []


def test_two_at_once_are_two_environments(emulator, uri):
    with deployed(emulator, "busy", uri) as function, ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda _: function.invoke("sleep", seconds=2), range(2)))
        assert len({answer.payload["host"] for answer in answers}) == 2
        assert len(function.containers()) == 2


def test_image_config_of_the_function_wins(emulator, uri):
    with deployed(
        emulator, "own-command", uri, ImageConfig={"Command": ["other.handler"]}
    ) as function:
        assert function.invoke("look_around").payload["arguments"] == ["other.handler"]


def test_deleting_a_function_removes_its_containers(emulator, uri):
    with deployed(emulator, "short-lived", uri) as function:
        function.invoke()
        assert len(function.containers()) == 1
    wait_until(lambda: not function.containers(), 20, "the function's containers to go")


def test_container_that_is_not_paused_when_it_should_be_answers_all_the_same(emulator, uri):
    """A busy engine had failed to pause it, and the next invocation was lost."""
    with deployed(emulator, "woken", uri) as function:
        function.invoke()
        (container,) = function.containers()

        def is_paused() -> bool:
            container.reload()
            return container.status == "paused"

        wait_until(is_paused, 30, "the idle container's pause")
        container.unpause()
        assert function.invoke().error is None


def test_new_code_and_configuration_are_live(emulator, uri, other_probe_image):
    with deployed(emulator, "changing", uri) as function:
        assert function.invoke().payload["answer"] == "first"
        function.update_code(emulator.push(other_probe_image, "probe", tag="second"))
        assert function.invoke().payload["answer"] == "second"
        function.update(Environment={"Variables": {"ANSWER": "third"}})
        assert function.invoke().payload["answer"] == "third"


def test_running_invocation_ends_before_an_update_takes_its_container(
    emulator, uri, other_probe_image
):
    other = emulator.push(other_probe_image, "probe", tag="second")
    with deployed(emulator, "updated", uri) as function, ThreadPoolExecutor(1) as pool:
        function.invoke()
        running = pool.submit(function.invoke, "sleep", seconds=4)
        wait_until(lambda: not running.done(), 1, "the invocation to run")
        function.update_code(other)
        answer = running.result(timeout=30)
        assert answer.error is None
        assert answer.payload["answer"] == "first"
        assert answer.payload["slept"] == 4
