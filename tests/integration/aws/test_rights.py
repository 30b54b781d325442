"""Least privilege: what is granted is used, and what is used is granted.

The calls are those that handler, camera and messages really make, noted on their way to the
emulator, which itself would allow anything.
"""

from __future__ import annotations

import importlib
import json
import logging
import sys
from types import SimpleNamespace

import pytest

from cloud.switch import read_switch
from contract.clips import ClipKey
from contract.names import CUSTOM_MODEL_KEY, GALLERY_KEY
from contract.results import Status
from device import camera, messages
from device.inbox import SqsQueue
from device.sources.fixture import cut_at_key_frames
from events import clip_ref
from ledger import Ledger
from reconcile_event import event_for
from scripts.console import Progress
from scripts.e2e.truth import read_truth
from scripts.paths import BUILD, ROOT
from scripts.provision.device_policy import LabPlace, device_policy
from scripts.provision.devices import add_device, remove_device
from scripts.provision.people import SHIPPED
from tests.conftest import Lab, wait_until
from tests.fakes.rights import Grant, Need, grants, needs
from tests.fakes.wire import Wire, recording
from tests.integration.aws.conftest import as_person

FILM = ROOT / "fixtures" / "lab.h264"
REGION, ACCOUNT = "us-east-1", "000000000000"
QUIET = Progress(quiet=True)
# Rights that Lambda itself uses in the function's name.
OF_THE_TEST = {"PutObject", "CreateBucket"}  # PUT of a bucket: its versioning
USED_BY_LAMBDA = {"HandOverWhatFailed", "WriteItsLog"}


@pytest.fixture(scope="module")
def function_calls(lab: Lab, tmp_path_factory) -> Wire:
    """The handler, in this process, on clips of every fate.

    In a bucket of its own: there the lab's function does not answer the clips first.
    """
    switch, bucket = lab.switch, "rights-of-the-function"
    s3 = switch.client("s3")
    s3.create_bucket(Bucket=bucket)
    add_device(switch, "rights", QUIET)
    truth = next(
        one for one in read_truth(ROOT / "fixtures" / "truth.json")
        if one.is_single_person and not one.tags
    )  # fmt: skip
    cut = cut_at_key_frames(FILM.read_bytes(), 15)[truth.index]
    clip = FILM.read_bytes()[cut.start : cut.end]
    keys = [str(ClipKey.new("rights", 1_795_000_000_000, n)) for n in range(4)]
    s3.put_object(Bucket=bucket, Key=keys[0], Body=clip)
    s3.put_object(Bucket=bucket, Key=keys[1], Body=clip)
    with pytest.MonkeyPatch.context() as patch:
        as_person(tmp_path_factory.mktemp("function"), patch, "")
        for name, value in {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{lab.port}",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": REGION,
            "FACELAB_PREFIX": switch.names.prefix,
            "FACELAB_BUCKET": bucket,
            "LAMBDA_TASK_ROOT": str(BUILD),
        }.items():
            patch.setenv(name, value)
        level = logging.getLogger().level
        try:
            with recording(patch) as wire:
                handler = importlib.import_module("handler").handler
                statuses = [_invoke(handler, bucket, keys[0])]  # no gallery, no model yet
                s3.put_object(Bucket=bucket, Key=GALLERY_KEY, Body=SHIPPED.gallery.read_bytes())
                s3.put_object(Bucket=bucket, Key=CUSTOM_MODEL_KEY, Body=SHIPPED.model.read_bytes())
                sys.modules.pop("handler")
                handler = importlib.import_module("handler").handler
                statuses += [_invoke(handler, bucket, key) for key in keys[1:3]]
                versions = {"Bucket": bucket, "VersioningConfiguration": {"Status": "Enabled"}}
                s3.put_bucket_versioning(**versions)
                stored = s3.put_object(Bucket=bucket, Key=keys[3], Body=clip)
                statuses += [_invoke(handler, bucket, keys[3], versionId=stored["VersionId"])]
        finally:
            sys.modules.pop("handler", None)
            logging.getLogger().setLevel(level)
            remove_device(switch, "rights", QUIET)
    assert statuses == [
        Status.UNKNOWN, Status.RECOGNIZED, Status.REJECTED, Status.RECOGNIZED
    ]  # fmt: skip
    wire.calls = [call for call in wire.calls if call.operation not in OF_THE_TEST]
    return wire


def _invoke(handler, bucket: str, key: str, **more: str) -> str:
    record = {"bucket": {"name": bucket}, "object": {"key": key, "size": 1, **more}}
    event = {"Records": [{"eventName": "ObjectCreated:Put", "s3": record}]}
    context = SimpleNamespace(
        aws_request_id=f"request-{key}", get_remaining_time_in_millis=lambda: 30_000
    )
    (answered,) = handler(event, context)["answered"]
    return answered["status"]


def role_grants(lab: Lab, logical_id: str = "FunctionRole") -> list[Grant]:
    """What the deployed role may, its template's references resolved."""
    switch = lab.switch
    rows = switch.client("cloudformation").describe_stack_resources(StackName=switch.names.stack)
    (role,) = (
        row["PhysicalResourceId"]
        for row in rows["StackResources"]
        if row["LogicalResourceId"] == logical_id
    )
    iam = switch.client("iam")
    (name,) = iam.list_role_policies(RoleName=role)["PolicyNames"]
    return grants(iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"])


def test_function_may_what_it_does_and_no_more(lab: Lab, function_calls: Wire):
    granted = role_grants(lab)
    used = {
        Need(need.action, need.resource.replace("rights-of-the-function", lab.switch.bucket))
        for need in needs(function_calls.calls, REGION, ACCOUNT)
    }
    denied = {need for need in used if not any(grant.allows(need) for grant in granted)}
    assert denied == set()
    idle = {
        grant
        for grant in granted
        if grant.sid not in USED_BY_LAMBDA and not any(grant.allows(need) for need in used)
    }
    assert idle == set()


# Names no clip, so the reconciler has to leave it where it is.
FOREIGN_LETTER = "of another program"


@pytest.fixture(scope="module")
def reconciler_calls(lab: Lab, tmp_path_factory) -> Wire:
    """The reconciler, in this process: a clip to send, letters to write, delete and put back."""
    switch = lab.switch
    names, s3, sqs = switch.names, switch.client("s3"), switch.client("sqs")
    add_device(switch, "reconciled", QUIET)
    key = "clips/reconciled/by hand/lost.txt"  # the bucket's notification does not see it
    s3.put_object(Bucket=switch.bucket, Key=key, Body=b"")
    ref = clip_ref(switch.bucket, "clips/lab/answered.h264", etag="e1")
    Ledger(switch.client("dynamodb"), names.ledger_table).answered(ref, ())
    stored = s3.head_object(Bucket=switch.bucket, Key=key)
    lost = clip_ref(switch.bucket, key, etag=stored["ETag"].strip('"'))
    queue = sqs.get_queue_url(QueueName=names.dead_letters)["QueueUrl"]
    for payload in (event_for(ref), event_for(lost)):
        letter = json.dumps({"requestPayload": payload})
        sqs.send_message(QueueUrl=queue, MessageBody=letter)
    sqs.send_message(QueueUrl=queue, MessageBody=FOREIGN_LETTER)
    with pytest.MonkeyPatch.context() as patch:
        as_person(tmp_path_factory.mktemp("reconciler"), patch, "")
        for name, value in {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{lab.port}",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": REGION,
            "FACELAB_PREFIX": names.prefix,
            "FACELAB_BUCKET": switch.bucket,
        }.items():
            patch.setenv(name, value)
        level = logging.getLogger().level
        context = SimpleNamespace(aws_request_id="r1", get_remaining_time_in_millis=lambda: 60_000)
        gone = clip_ref(switch.bucket, "clips/reconciled/gone.h264", etag="e2")
        failed = {"requestContext": {"requestId": "q"}, "requestPayload": event_for(gone)}
        try:
            with recording(patch) as wire:
                reconcile = importlib.import_module("reconcile")
                done = reconcile.handler({"after_minutes": 0}, context)
                assert reconcile.handler(failed, context)["letters"] == [gone.object_key]
        finally:
            logging.getLogger().setLevel(level)
            answered = sqs.get_queue_url(QueueName=names.result_queue("reconciled"))["QueueUrl"]
            wait_until(
                lambda: sqs.receive_message(QueueUrl=answered, WaitTimeSeconds=2).get("Messages"),
                120,
                "the answer to what was sent again",
            )
            remove_device(switch, "reconciled", QUIET)
            s3.delete_object(Bucket=switch.bucket, Key=key)
            letters = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=2)
            for letter in letters.get("Messages", ()):
                ours = ("lost.txt", "gone.h264", FOREIGN_LETTER)
                if any(text in letter["Body"] for text in ours):
                    sqs.delete_message(QueueUrl=queue, ReceiptHandle=letter["ReceiptHandle"])
    assert done["sent"] >= 1
    assert done["letters_taken_back"] == 1
    return wire


def test_reconciler_may_what_it_does_and_no_more(lab: Lab, reconciler_calls: Wire):
    granted = role_grants(lab, "ReconcilerRole")
    used = needs(reconciler_calls.calls, REGION, ACCOUNT)
    assert {need for need in used if not any(grant.allows(need) for grant in granted)} == set()
    idle = {
        grant for grant in granted
        if grant.sid not in USED_BY_LAMBDA and not any(grant.allows(need) for need in used)
    }  # fmt: skip
    assert idle == set()


def test_rights_that_lambda_uses_are_those_of_the_template(lab: Lab):
    granted = {
        (grant.action, grant.resource) for grant in role_grants(lab) if grant.sid in USED_BY_LAMBDA
    }
    place = f"{REGION}:{ACCOUNT}"
    destination = lab.switch.client("lambda").get_function_event_invoke_config(
        FunctionName=lab.switch.names.function
    )["DestinationConfig"]["OnFailure"]["Destination"]
    log_group = f"arn:aws:logs:{place}:log-group:{lab.switch.names.log_group}:*"
    assert granted == {
        ("lambda:InvokeFunction", destination),
        ("logs:CreateLogStream", log_group),
        ("logs:PutLogEvents", log_group),
    }


@pytest.mark.parametrize("role", ["FunctionRole", "ReconcilerRole"])
def test_no_right_is_for_everything(lab: Lab, role):
    for grant in role_grants(lab, role):
        assert "*" not in grant.action, grant
        assert not grant.resource.startswith(("*", "arn:aws:s3:::*")), grant


@pytest.fixture
def device_calls(lab: Lab, monkeypatch, tmp_path, device_programs) -> Wire:
    """camera and messages, in this process, from the first clip to the deleted result."""
    as_person(tmp_path, monkeypatch, f"FACELAB_PORT={lab.port}\n")
    add_device(lab.switch, "pi-01", QUIET)
    device = ["--device", "pi-01", "--spool", str(tmp_path / "spool")]
    with recording(monkeypatch) as wire:
        assert camera.main([*device, "--source", str(FILM), "--count", "2", "--speed", "4"]) == 0
        assert messages.main([*device, "--count", "2", "--idle-timeout", "150"]) == 0
    sqs, queue = lab.switch.client("sqs"), SqsQueue(read_switch(), "pi-01")
    url = sqs.get_queue_url(QueueName=queue.name)["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="not shown yet")
    with recording(monkeypatch) as ending:
        # What a viewer does that ends with messages it has not shown: they come again at once.
        received = wait_until(lambda: queue.receive(1), 60, "the message")
        queue.release(received)
    wire.calls += ending.calls
    yield wire
    remove_device(lab.switch, "pi-01", QUIET)


def test_device_may_what_it_does_and_no_more(lab: Lab, device_calls: Wire):
    queue = lab.switch.names.result_queue("pi-01")
    granted = grants(device_policy(LabPlace.of(lab.switch), queue, "pi-01"))
    used = needs(device_calls.calls, REGION, ACCOUNT)
    assert {need for need in used if not any(grant.allows(need) for grant in granted)} == set()
    assert {grant for grant in granted if not any(grant.allows(need) for need in used)} == set()


@pytest.mark.parametrize(
    ("action", "resource"),
    [
        ("s3:PutObject", "arn:aws:s3:::{bucket}/clips/pi-10/2026-11-22/x.h264"),
        ("s3:PutObject", "arn:aws:s3:::{bucket}/clips/pi-02/2026-11-22/x.h264"),
        ("s3:PutObject", "arn:aws:s3:::{bucket}/gallery/gallery.npz"),
        ("s3:PutObject", "arn:aws:s3:::{bucket}/models/custom.onnx"),
        ("s3:PutObject", "arn:aws:s3:::another/clips/pi-1/x.h264"),
        ("s3:GetObject", "arn:aws:s3:::{bucket}/clips/pi-1/2026-11-22/x.h264"),
        ("s3:DeleteObject", "arn:aws:s3:::{bucket}/clips/pi-1/2026-11-22/x.h264"),
        ("s3:ListBucket", "arn:aws:s3:::{bucket}"),
        ("sqs:ReceiveMessage", "arn:aws:sqs:us-east-1:000000000000:facelab-results-pi-10"),
        ("sqs:ReceiveMessage", "arn:aws:sqs:us-east-1:000000000000:facelab-results-pi-02"),
        ("sqs:ReceiveMessage", "arn:aws:sqs:us-east-1:000000000000:facelab-dead-letters"),
        ("sqs:SendMessage", "arn:aws:sqs:us-east-1:000000000000:facelab-results-pi-1"),
        ("sqs:PurgeQueue", "arn:aws:sqs:us-east-1:000000000000:facelab-results-pi-1"),
        ("dynamodb:GetItem", "arn:aws:dynamodb:us-east-1:000000000000:table/facelab-people"),
        ("lambda:InvokeFunction", "arn:aws:lambda:us-east-1:000000000000:function:x"),
    ],
)
def test_device_may_not_touch_what_is_not_its_own(action, resource):
    place = LabPlace("aws", "us-east-1", "000000000000", "facelab-000000000000-us-east-1")
    granted = grants(device_policy(place, "facelab-results-pi-1", "pi-1"))
    need = Need(action, resource.format(bucket=place.bucket))
    assert not any(grant.allows(need) for grant in granted)


def test_policy_is_what_the_command_prints(lab: Lab):
    printed = json.loads(lab.run("scripts.cli.devices", "policy", "pi-01").stdout)
    queue = lab.switch.names.result_queue("pi-01")
    assert printed == device_policy(LabPlace.of(lab.switch), queue, "pi-01")
    assert printed["Version"] == "2012-10-17"


def test_policy_of_another_partition_names_it():
    place = LabPlace("aws-cn", "cn-north-1", "111122223333", "b")
    resources = {grant.resource for grant in grants(device_policy(place, "q", "pi-01"))}
    assert resources == {
        "arn:aws-cn:s3:::b/clips/pi-01/*",
        "arn:aws-cn:sqs:cn-north-1:111122223333:q",
    }
