"""Folders that other people wrote, deployed and used by the commands, on a real emulator."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from cloud.listing import every
from localstack_image_functions.errors import IsolationUnavailable
from localstack_image_functions.process.isolation import isolation_here
from scripts.paths import ROOT
from tests.conftest import Lab, wait_until

FORMS = ROOT / "tests" / "functions"
FACELAB = "scripts.cli.facelab"


def _can_isolate() -> bool:
    try:
        isolation_here()
    except IsolationUnavailable:
        return False
    return True


def deploy(lab: Lab, name: str, folder: Path, *options: str) -> dict:
    done = lab.run(
        FACELAB, "functions", "deploy", name, "--dir", str(folder), "--json", *options, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def invoke(lab: Lab, name: str, event: object = None) -> object:
    answer = lab.switch.client("lambda").invoke(FunctionName=name, Payload=json.dumps(event or {}))
    return json.load(answer["Payload"])


def handler_folder(folder: Path, code: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "handler.py").write_text(code)
    return folder


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("aws-base-image", {"directory": "/var/task", "root": "/var/task", "iniconfig": "2.1.0"}),
        ("aws-alternative-base", {"file": "/function/lambda_function.py"}),
        ("course-entry-script", {"known": "known faces"}),
        ("runtime-emulator-inside", {}),
        ("heredocs", {"greeting": "hello, world", "dollar": "$HOME"}),
        ("shell-form", {"who": 'somebody\'s "own"', "empty": ""}),
        ("archive-and-globs", {"data": "42"}),
        ("stages-and-arguments", {"said": "python 3.11", "iniconfig": True}),
        ("escaped-by-backtick", {"iniconfig": True}),
        ("installer-uv", {"directory": "/usr/src/app"}),
        ("handler-only", {"iniconfig": True}),
    ],
)
def test_form_runs_unchanged(lab, form, expected):
    if not _can_isolate():
        pytest.skip("an image's own paths need a sandbox")
    deploy(lab, form, FORMS / form)
    answer = invoke(lab, form)
    assert answer["form"] == form
    assert expected.items() <= answer.items()


def test_refused_dockerfile_is_one_line_with_its_number_and_a_hint(lab):
    folder = FORMS / "refused-command"
    done = lab.run(FACELAB, "functions", "deploy", "refused", "--dir", str(folder), check=False)
    assert done.returncode == 1
    assert "Dockerfile:5: RUN python download_models.py --all" in done.stderr
    assert "hint:" in done.stderr
    assert "Traceback" not in done.stderr
    functions = every(lab.switch.client("lambda"), "list_functions", "Functions")
    assert "refused" not in {one["FunctionName"] for one in functions}


def test_objects_with_prefix_and_suffix_invoke_it_and_the_bucket_is_made(lab, tmp_path):
    folder = handler_folder(
        tmp_path / "copier",
        """
import os
import boto3


def handler(event, context):
    record = event["Records"][0]["s3"]
    boto3.client("sqs").send_message(
        QueueUrl=os.environ["QUEUE"], MessageBody=record["object"]["key"]
    )
""",
    )
    sqs, s3 = lab.switch.client("sqs"), lab.switch.client("s3")
    queue = sqs.create_queue(QueueName="said")["QueueUrl"]
    trigger = ("--trigger", "s3://made-here/in/*.txt")
    done = deploy(lab, "copier", folder, *trigger, "--env", f"QUEUE={queue}")
    assert done["triggers"] == ["s3://made-here/in/*.txt"]
    again = deploy(lab, "copier", folder, *trigger)
    assert again["was_there"]
    assert again["triggers"] == ["s3://made-here/in/*.txt"]  # once, not twice
    for key in ("in/a.txt", "in/b.bin", "out/c.txt"):
        s3.put_object(Bucket="made-here", Key=key, Body=b"x")
    bodies: list[str] = []

    def received() -> bool:
        answer = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=1, MaxNumberOfMessages=10)
        bodies.extend(message["Body"] for message in answer.get("Messages", ()))
        return bool(bodies)

    wait_until(received, 60, "the object's name in the queue")
    assert bodies == ["in/a.txt"]

    lab.run(FACELAB, "functions", "delete", "copier")
    left = s3.get_bucket_notification_configuration(Bucket="made-here")
    assert not left.get("LambdaFunctionConfigurations")
    roles = {one["RoleName"] for one in lab.switch.client("iam").list_roles()["Roles"]}
    assert not {name for name in roles if "copier" in name}


def test_queue_url_and_schedule_invoke_it(lab, tmp_path):
    folder = handler_folder(
        tmp_path / "echo",
        """
import boto3


def handler(event, context):
    if "Records" in event:
        boto3.client("s3").put_object(
            Bucket="echoes", Key=event["Records"][0]["body"], Body=b"seen"
        )
    return {"path": event.get("rawPath")}
""",
    )
    s3, sqs = lab.switch.client("s3"), lab.switch.client("sqs")
    s3.create_bucket(Bucket="echoes")
    words = ("sqs:inbox", "url", "schedule:rate(5 minutes)")
    done = deploy(lab, "echo", folder, *(part for word in words for part in ("--trigger", word)))
    kinds = {word.partition(":")[0] for word in done["triggers"]}
    assert kinds == {"sqs", "http", "schedule"}
    inbox = sqs.get_queue_url(QueueName="inbox")["QueueUrl"]
    sqs.send_message(QueueUrl=inbox, MessageBody="letter")
    wait_until(
        lambda: s3.list_objects_v2(Bucket="echoes").get("Contents"), 60, "the message's trace"
    )
    assert s3.list_objects_v2(Bucket="echoes")["Contents"][0]["Key"] == "letter"
    listed = json.loads(lab.run(FACELAB, "functions", "list", "--json").stdout)
    mine = next(one for one in listed if one["name"] == "echo")
    assert mine["state"] == "Active"
    assert len(mine["triggers"]) == 3
    lab.run(FACELAB, "functions", "delete", "echo")
    mappings = lab.switch.client("lambda").list_event_source_mappings()["EventSourceMappings"]
    assert not [one for one in mappings if one["State"] != "Deleting"]
    assert not lab.switch.client("events").list_rules(NamePrefix="facelab-function-")["Rules"]


def test_failed_function_says_so_and_its_log_is_at_hand(lab, tmp_path):
    code = "def handler(event, context):\n    print('about to')\n    return event['missing']\n"
    deploy(lab, "failing", handler_folder(tmp_path / "failing", code))
    event = tmp_path / "event.json"
    event.write_text('{"other": 1}')
    arguments = ("functions", "invoke", "failing", "--event", str(event), "--json")
    done = lab.run(FACELAB, *arguments, check=False)
    assert done.returncode == 1
    answer = json.loads(done.stdout)
    assert answer["error"] == "Unhandled"
    assert answer["payload"]["errorType"] == "KeyError"
    wait_until(
        lambda: "about to" in lab.run(FACELAB, "functions", "logs", "failing").stdout,
        30,
        "the function's line in its log",
    )
    lab.run(FACELAB, "functions", "delete", "failing")


@contextmanager
def dashboard(lab: Lab) -> Iterator[str]:
    """Its address, while it serves."""
    command = [sys.executable, "-m", "scripts.cli.dashboard"]
    with subprocess.Popen(
        command, cwd=ROOT, env=lab.env, stdout=subprocess.PIPE, text=True
    ) as server:
        try:
            assert server.stdout is not None
            yield server.stdout.readline().split()[0]
        finally:
            server.terminate()


def test_the_dashboard_shows_how_somebodys_function_does(lab, tmp_path):
    """No test saw one there that was not the lab's own."""
    code = """
def handler(event, context):
    print("looked at", event["n"])
    return 6 / event["n"]
"""
    deploy(lab, "brought", handler_folder(tmp_path / "brought", code))
    for number in (1, 2, 3):
        assert invoke(lab, "brought", {"n": number}) == 6 / number
    assert invoke(lab, "brought", {"n": 0})["errorType"] == "ZeroDivisionError"
    with dashboard(lab) as home:

        def told() -> dict | None:
            with suppress(URLError), urlopen(f"{home}/api/functions") as answer:  # noqa: S310
                rows = json.load(answer)["functions"]
                (row,) = (one for one in rows if one["name"] == "brought")
                is_whole = row["invocations"] == 4 and "looked at 0" in str(row["last_lines"])
                return row if is_whole else None
            return None

        row = wait_until(told, 60, "what the function did")
    assert (row["state"], row["is_ours"], row["errors"]) == ("Active", False, 1)
    assert row["duration_ms"] > 0
    assert row["concurrency"] == 1
    assert any("ZeroDivisionError" in line for line in row["last_lines"])
    lab.run(FACELAB, "functions", "delete", "brought")


@pytest.fixture
def watched(lab, tmp_path) -> Iterator[Path]:
    """A folder whose saved files are live at once."""
    folder = handler_folder(tmp_path / "watched", answer_with("first"))
    deploy(lab, "watched", folder)
    with subprocess.Popen(
        [sys.executable, "-m", FACELAB, "functions", "watch", "watched", "--dir", str(folder)],
        cwd=ROOT,
        env=lab.env,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        assert any("watching" in line for line in process.stderr)
        yield folder
        process.terminate()
    lab.run(FACELAB, "functions", "delete", "watched")


def answer_with(word: str) -> str:
    return f"def handler(event, context):\n    return {word!r}\n"


def test_saved_file_is_what_the_next_invocation_runs(lab, watched):
    assert invoke(lab, "watched") == "first"
    took = []
    for word in ("second", "third", "fourth"):
        saved = time.perf_counter()
        (watched / "handler.py").write_text(answer_with(word))
        wait_until(lambda word=word: invoke(lab, "watched") == word, 20, f"the answer {word!r}")
        took.append(time.perf_counter() - saved)
    print(f"from save to new answer: {', '.join(f'{one:.2f} s' for one in took)}")


def test_code_that_cannot_be_built_leaves_the_function_as_it_was(lab, watched):
    (watched / "handler.py").write_text("x = 1\n")  # defines no handler
    (watched / "handler.py").write_text(answer_with("mended"))
    wait_until(lambda: invoke(lab, "watched") == "mended", 20, "the mended code")


def test_name_of_the_labs_own_function_is_refused(lab, tmp_path):
    folder = handler_folder(tmp_path / "own", answer_with("x"))
    name = lab.switch.names.function
    done = lab.run(FACELAB, "functions", "deploy", name, "--dir", str(folder), check=False)
    assert done.returncode == 1
    assert "the lab's own function" in done.stderr
    done = lab.run(FACELAB, "functions", "delete", name, check=False)
    assert "the lab's own function" in done.stderr
