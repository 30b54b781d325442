"""Up and down: what a person at the terminal counts on."""

import json
import os
import signal
import socket

import psutil

from tests.conftest import wait_until


def emulator(lab) -> psutil.Process:
    return psutil.Process(json.loads((lab.state / "emulator.json").read_text())["pid"])


def family(lab) -> list[psutil.Process]:
    process = emulator(lab)
    return [process, *process.children(recursive=True)]


def of_this_lab(lab) -> list[psutil.Process]:
    """Every process of this user that carries the lab's state folder in its environment."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and str(lab.state) in str(process.environ()):
                found.append(process)
        except psutil.Error:
            continue
    return found


def test_second_up_is_a_no_op(lab):
    before = emulator(lab).pid
    said = lab.run("scripts.cli.lab", "up").stderr
    assert emulator(lab).pid == before
    assert "starting" not in said
    assert "creating" not in said


def test_a_setting_that_only_a_start_takes_is_not_passed_over(lab, monkeypatch):
    """`FACELAB_SERVICES=sns make up` said that the lab is up, and SNS was not."""
    told = "FACELAB_SERVICES is another than this lab was started with"
    assert told not in lab.run("scripts.cli.lab", "up").stderr
    monkeypatch.setitem(lab.environment, "FACELAB_SERVICES", "scheduler")
    assert told in lab.run("scripts.cli.lab", "up").stderr


def test_status_is_machine_readable(lab):
    status = json.loads(lab.run("scripts.cli.lab", "status", "--json").stdout)
    assert status["emulator"] == "up"
    assert status["function"] == "Active"
    assert status["dead_letters"] >= 0
    assert "@sha256:" in status["image"]


def test_what_the_template_says_of_retention_is_so(lab):
    """LocalStack makes buckets without their lifecycle, and log groups without their retention."""
    switch = lab.switch
    rules = switch.client("s3").get_bucket_lifecycle_configuration(Bucket=switch.bucket)["Rules"]
    assert [(one["Filter"], one["Expiration"]) for one in rules] == [
        ({"Prefix": "clips/"}, {"Days": 1})
    ]
    groups = switch.client("logs").describe_log_groups(
        logGroupNamePrefix=f"/aws/lambda/{switch.names.prefix}-"
    )["logGroups"]
    assert groups
    assert {one.get("retentionInDays") for one in groups} == {7}


def test_nothing_of_the_stacks_is_passed_over(lab):
    log = (lab.state / "emulator.log").read_text(errors="replace")
    assert "LocalStack does nothing with" not in log


def test_nothing_listens_on_anything_but_loopback(lab):
    listening = {
        connection.laddr
        for process in family(lab)
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }
    assert any(address.port == lab.port for address in listening)
    assert {address.ip for address in listening} <= {"127.0.0.1", "::1"}


def test_emulator_knows_nothing_of_the_host(lab):
    environment = emulator(lab).environ()
    assert "HOST_SECRET" not in environment
    assert not [name for name in environment if name.startswith("AWS_")]


def test_taken_port_is_named_with_what_to_do(own_lab):
    with socket.socket() as other:
        other.bind(("127.0.0.1", own_lab.port))
        other.listen()
        done = own_lab.run("scripts.cli.lab", "up", check=False)
    assert done.returncode == 1
    assert f"port {own_lab.port} is taken" in done.stderr
    assert "hint:" in done.stderr
    assert "Traceback" not in done.stderr


def test_killed_emulator_leaves_nothing_and_up_provisions_again(own_lab):
    own_lab.up()
    first = emulator(own_lab)
    os.kill(first.pid, signal.SIGKILL)
    first.wait(10)
    own_lab.up()
    assert emulator(own_lab).pid != first.pid
    status = json.loads(own_lab.run("scripts.cli.lab", "status", "--json").stdout)
    assert status["people"] > 0

    own_lab.down()
    wait_until(lambda: not of_this_lab(own_lab), 10, "every process of the lab to end")


def test_stack_updates_and_deletes_without_a_trace(own_lab):
    own_lab.up()
    own_lab.run("scripts.cli.provision", "delete")
    switch = own_lab.switch
    assert not switch.client("s3").list_buckets()["Buckets"]
    assert not switch.client("lambda").list_functions()["Functions"]
    assert not switch.client("dynamodb").list_tables()["TableNames"]
    assert not switch.client("sqs").list_queues().get("QueueUrls")
    assert not switch.client("ecr").describe_repositories()["repositories"]
    assert not switch.client("logs").describe_log_groups()["logGroups"]
    assert not switch.client("iam").list_roles()["Roles"]

    own_lab.run("scripts.cli.provision", "deploy")  # into the lab's own store
    own_lab.run("scripts.cli.provision", "deploy")  # into the lab's own store
    assert switch.client("lambda").list_functions()["Functions"]
