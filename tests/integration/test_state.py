"""The lab remembers: over a stop, over `kill -9`, and over a damaged disk."""

from __future__ import annotations

import json
import os
import signal
import sqlite3

import psutil
import pytest

from contract.clips import ClipKey
from contract.results import Result
from scripts.bench.overhead import easy_clip
from tests.conftest import Lab, wait_until

pytestmark = pytest.mark.timeout(900)


def kill(lab: Lab) -> None:
    """`kill -9` the emulator, as a power cut would end it."""
    process = psutil.Process(json.loads((lab.state / "emulator.json").read_text())["pid"])
    os.kill(process.pid, signal.SIGKILL)
    wait_until(lambda: not process.is_running() or process.status() == "zombie", 30, "its end")


def put_clip(lab: Lab, sequence: int) -> str:
    key = ClipKey.new("lab", 1_700_000_000_000, sequence)
    lab.switch.client("s3").put_object(
        Bucket=lab.switch.bucket, Key=str(key), Body=easy_clip(), Metadata={"camera": "front"}
    )
    return str(key)


def results_url(lab: Lab) -> str:
    name = lab.switch.names.result_queue("lab")
    return lab.switch.client("sqs").get_queue_url(QueueName=name)["QueueUrl"]


def take_result(lab: Lab, key: str, seconds: float = 180) -> Result:
    """Receive and delete the result of one clip."""
    sqs, url = lab.switch.client("sqs"), results_url(lab)

    def receive() -> Result | None:
        for message in sqs.receive_message(QueueUrl=url, WaitTimeSeconds=5).get("Messages", ()):
            result = Result.from_json(message["Body"])
            if result.clip_id in key:
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
                return result
        return None

    return wait_until(receive, seconds, f"the result of {key}")


@pytest.fixture(scope="module")
def kept_lab(tmp_path_factory: pytest.TempPathFactory):
    from tests.conftest import free_port

    lab = Lab(tmp_path_factory.mktemp("kept"), free_port())
    lab.up()
    yield lab
    lab.down()


@pytest.mark.parametrize("ending", ["killed", "stopped"])
def test_everything_is_there_after_the_emulator_has_ended(kept_lab: Lab, ending: str) -> None:
    lab, switch = kept_lab, kept_lab.switch
    s3, sqs, dynamodb = (switch.client(name) for name in ("s3", "sqs", "dynamodb"))
    lab.run("scripts.cli.devices", "add", f"pi-{ending}")
    answered = put_clip(lab, 1)
    assert take_result(lab, answered).status == "recognized"
    device = switch.names.result_queue(f"pi-{ending}")
    queue = sqs.get_queue_url(QueueName=device)["QueueUrl"]
    sqs.send_message(QueueUrl=queue, MessageBody="in flight")
    (held,) = sqs.receive_message(QueueUrl=queue, VisibilityTimeout=600)["Messages"]
    sqs.send_message(QueueUrl=queue, MessageBody="waiting")
    sqs.send_message(QueueUrl=queue, MessageBody="delayed", DelaySeconds=2)
    table = switch.names.people_table
    dynamodb.put_item(TableName=table, Item={"person_id": {"S": "ada"}, "name": {"S": "Ada"}})
    dynamodb.delete_item(TableName=table, Key={"person_id": {"S": "joe-biden"}})
    log = switch.names.log_group
    wait_until(
        lambda: switch.client("logs").filter_log_events(logGroupName=log)["events"], 60, "a log"
    )
    lines = {
        one["message"]
        for one in switch.client("logs").filter_log_events(logGroupName=log)["events"]
    }
    # Queued for the function, and perhaps running in it, when the end comes.
    unanswered = [put_clip(lab, number) for number in range(2, 5)]

    if ending == "killed":
        kill(lab)
    else:
        lab.down()
    said = lab.run("scripts.cli.lab", "up").stderr

    assert "creating stack" not in said
    assert "everything is as it was" in said
    stored = s3.get_object(Bucket=switch.bucket, Key=answered)
    assert stored["Body"].read() == easy_clip()
    assert stored["Metadata"] == {"camera": "front"}
    people = {row["person_id"]["S"] for row in dynamodb.scan(TableName=table)["Items"]}
    assert "ada" in people
    assert "joe-biden" not in people
    assert f"pi-{ending}" in lab.run("scripts.cli.devices", "list").stdout
    # What was in flight stays in flight for whoever held it.
    sqs.delete_message(QueueUrl=queue, ReceiptHandle=held["ReceiptHandle"])
    bodies: list[str] = []

    def receive() -> bool:
        answer = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=1, MaxNumberOfMessages=10)
        bodies.extend(one["Body"] for one in answer.get("Messages", ()))
        return len(bodies) >= 2

    wait_until(receive, 60, "the messages that waited")
    assert sorted(bodies) == ["delayed", "waiting"]
    shown = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])["Attributes"]
    assert shown["ApproximateNumberOfMessages"] == "0"
    after = {
        one["message"]
        for one in switch.client("logs").filter_log_events(logGroupName=log)["events"]
    }
    assert lines <= after
    for key in unanswered:
        assert take_result(lab, key).clip_id in key


def test_a_damaged_state_gives_way_to_the_last_whole_copy(own_lab: Lab) -> None:
    lab = own_lab
    lab.up()
    database = lab.state / "state" / "state.db"
    copy = database.with_name("state.db.good")
    wait_until(copy.exists, 60, "a copy of the state")
    first = copy.stat().st_mtime_ns
    kill(lab)
    lab.up()  # takes a copy of what is there now
    wait_until(lambda: copy.stat().st_mtime_ns > first, 60, "a second copy")
    lab.down()
    whole = database.read_bytes()
    database.write_bytes(whole[: len(whole) // 2])
    database.with_name("state.db-wal").unlink(missing_ok=True)

    done = lab.run("scripts.cli.lab", "up")

    assert "damaged" in done.stderr
    assert "last whole copy" in done.stderr
    assert "creating stack" not in done.stderr
    assert take_result(lab, put_clip(lab, 1)).status == "recognized"


def test_state_of_another_version_is_refused_untouched(own_lab: Lab) -> None:
    folder = own_lab.state / "state"
    folder.mkdir(parents=True)
    other = sqlite3.connect(folder / "state.db")
    other.executescript(
        "CREATE TABLE about (name, value);"
        "INSERT INTO about VALUES ('localstack', '9.9.9');"
        "PRAGMA application_id=2054782; PRAGMA user_version=1;"
    )
    other.close()
    before = (folder / "state.db").read_bytes()

    done = own_lab.run("scripts.cli.lab", "up", check=False)

    assert done.returncode == 1
    assert "LocalStack 9.9.9" in done.stderr
    assert "move" in done.stderr
    assert (folder / "state.db").read_bytes() == before


def test_memory_forgets(own_lab: Lab, tmp_path, monkeypatch) -> None:
    """FACELAB_STATE=memory: the word, not a folder."""
    from scripts.lab.state import LabState

    monkeypatch.setenv("FACELAB_STATE", "memory")
    assert not LabState().is_kept
    assert LabState().folder.name == "lab"
    monkeypatch.setenv("FACELAB_STATE", f"memory:{tmp_path}")
    assert not LabState().is_kept
    assert LabState().folder == tmp_path
    monkeypatch.setenv("FACELAB_STATE", str(tmp_path))
    assert LabState().is_kept
    assert LabState().folder == tmp_path


def test_a_snapshot_comes_back_and_a_reset_goes_back(kept_lab: Lab, tmp_path) -> None:
    lab, switch = kept_lab, kept_lab.switch
    s3, sqs, dynamodb = (switch.client(name) for name in ("s3", "sqs", "dynamodb"))
    lab.run("scripts.cli.lab", "reset")
    lab.run("scripts.cli.devices", "add", "pi-09")
    answered = put_clip(lab, 20)
    take_result(lab, answered)
    dynamodb.put_item(
        TableName=switch.names.people_table,
        Item={"person_id": {"S": "ada"}, "name": {"S": "Ada"}},
    )
    queue = sqs.get_queue_url(QueueName=switch.names.result_queue("pi-09"))["QueueUrl"]
    sqs.send_message(QueueUrl=queue, MessageBody="waiting")
    path = tmp_path / "one.zip"

    lab.run("scripts.cli.lab", "snapshot", str(path))
    lab.run("scripts.cli.lab", "reset")

    def clips() -> list[str]:
        listed = s3.list_objects_v2(Bucket=switch.bucket, Prefix="clips/").get("Contents", ())
        return [row["Key"] for row in listed]

    def people() -> set[str]:
        rows = dynamodb.scan(TableName=switch.names.people_table)["Items"]
        return {row["person_id"]["S"] for row in rows}

    assert clips() == []
    assert people() == {"barack-obama", "eileen-collins", "joe-biden"}
    assert "pi-09" not in lab.run("scripts.cli.devices", "list").stdout
    assert take_result(lab, put_clip(lab, 21)).status == "recognized"

    lab.run("scripts.cli.lab", "restore", str(path))

    assert clips() == [answered]
    assert s3.get_object(Bucket=switch.bucket, Key=answered)["Metadata"] == {"camera": "front"}
    assert "ada" in people()
    queue = sqs.get_queue_url(QueueName=switch.names.result_queue("pi-09"))["QueueUrl"]
    (message,) = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=5)["Messages"]
    assert message["Body"] == "waiting"
    # What was answered stays answered; the function works as before.
    assert "Messages" not in sqs.receive_message(QueueUrl=results_url(lab), WaitTimeSeconds=3)
    assert take_result(lab, put_clip(lab, 22)).status == "recognized"


def test_a_bad_snapshot_changes_nothing(kept_lab: Lab, tmp_path) -> None:
    path = tmp_path / "bad.zip"
    path.write_bytes(b"PK\x03\x04 no snapshot")
    key = put_clip(kept_lab, 30)
    done = kept_lab.run("scripts.cli.lab", "restore", str(path), check=False)
    assert done.returncode == 1
    assert "bad.zip" in done.stderr
    assert kept_lab.switch.client("s3").head_object(Bucket=kept_lab.switch.bucket, Key=key)
    take_result(kept_lab, key)


def test_status_tells_memory_and_state(kept_lab: Lab) -> None:
    status = json.loads(kept_lab.run("scripts.cli.lab", "status", "--json").stdout)
    assert 50 < status["memory_mb"]["localstack"] < 400
    assert status["state_mb"] > 0
    assert status["warnings"] == []
