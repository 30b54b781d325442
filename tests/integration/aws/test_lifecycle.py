"""aws-up, aws-status and aws-down against the emulator, by the code that AWS would see."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cloud.switch import Switch, read_switch
from contract.names import CUSTOM_MODEL_KEY, GALLERY_KEY
from scripts.aws.account import BucketTaken
from scripts.aws.inventory import inventory
from scripts.cli.aws import run
from scripts.cloud_errors import NoCredentials, NoRegion
from scripts.console import NotConfirmed, Progress
from scripts.provision.deployment import deploy
from scripts.provision.devices import add_device, device_ids
from scripts.provision.function_image import PublishedImage, ensure_repository
from scripts.provision.people import SHIPPED
from scripts.provision.publishers import NoEngine
from scripts.provision.stacks import StackFailed
from tests.conftest import Lab

QUIET = Progress(quiet=True)


def kinds(switch: Switch) -> list[str]:
    return sorted(one.kind for one in inventory(switch))


def test_up_twice_status_down_twice(aws: Switch, publisher, capsys):
    assert run(["up", "--yes", "--json"], publisher) == 0
    made = json.loads(capsys.readouterr().out)
    assert made["account"] == "111122223333"
    assert made["bucket"] == "life-111122223333-eu-central-1"
    assert "@sha256:" in made["image"]
    add_device(aws, "pi-02", QUIET)

    assert run(["up", "--yes"], publisher) == 0
    said = capsys.readouterr().err
    assert "stack life is up to date" in said
    assert "put gallery" not in said

    assert run(["status", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)["resources"]
    assert {(one["kind"], one["name"]) for one in listed} == {
        ("stack", "life"),
        ("stack", "life-device-lab"),
        ("stack", "life-device-pi-02"),
        ("bucket", "life-111122223333-eu-central-1"),
        ("function", "life-recognize"),
        ("function", "life-reconcile"),
        ("repository", "life-recognize"),
        ("table", "life-people"),
        ("table", "life-clips"),
        ("log group", "/aws/lambda/life-recognize"),
        ("log group", "/aws/lambda/life-reconcile"),
        ("queue", "life-dead-letters"),
        ("queue", "life-results-lab"),
        ("queue", "life-results-pi-02"),
    }

    assert run(["down", "--yes"]) == 0
    assert inventory(aws) == []
    assert aws.client("iam").list_roles()["Roles"] == []
    assert run(["down", "--yes"]) == 0
    assert "nothing of this lab is there" in capsys.readouterr().err
    assert run(["status"]) == 3


def test_kept_data_starts_the_next_lab(aws: Switch, publisher, tmp_path: Path):
    assert run(["up", "--yes"], publisher) == 0
    s3 = aws.client("s3")
    s3.put_object(Bucket=aws.bucket, Key="models/history/1.onnx", Body=b"older")
    s3.put_object(Bucket=aws.bucket, Key="clips/lab/x.txt", Body=b"somebody's face")
    s3.put_object(Bucket=aws.bucket, Key="models/../../../escape", Body=b"no")
    aws.client("dynamodb").delete_item(
        TableName=aws.names.people_table, Key={"person_id": {"S": "joe-biden"}}
    )
    assert run(["down", "--yes", "--keep-data", str(tmp_path / "kept")]) == 0
    (kept,) = (tmp_path / "kept").iterdir()
    files = {str(path.relative_to(kept)) for path in kept.rglob("*") if path.is_file()}
    assert files == {"roster.json", GALLERY_KEY, CUSTOM_MODEL_KEY, "models/history/1.onnx"}
    assert not (tmp_path / "escape").exists()
    assert kept.stat().st_mode & 0o077 == 0, "others could read it"
    assert (kept / GALLERY_KEY).read_bytes() == SHIPPED.gallery.read_bytes()

    assert run(["up", "--yes", "--restore", str(kept)], publisher) == 0
    rows = aws.client("dynamodb").scan(TableName=aws.names.people_table)["Items"]
    assert {row["person_id"]["S"] for row in rows} == {"barack-obama", "eileen-collins"}


def test_up_finishes_what_a_failed_one_began(aws: Switch, publisher):
    uri = ensure_repository(aws)
    nowhere = PublishedImage(f"{uri}@sha256:{'0' * 64}", "x86_64")
    with pytest.raises(StackFailed, match="Function: ") as failed:
        deploy(aws, nowhere, QUIET)
    assert "aws-up" in failed.value.hint
    assert "bucket" not in kinds(aws)
    assert run(["up", "--yes"], publisher) == 0
    assert {"bucket", "function"} <= set(kinds(aws))


def test_down_takes_what_a_failed_up_left(aws: Switch):
    aws.client("s3").create_bucket(
        Bucket=aws.bucket, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"}
    )
    aws.client("s3").put_object(Bucket=aws.bucket, Key="clips/lab/x", Body=b"x")
    aws.client("logs").create_log_group(logGroupName=aws.names.log_group)
    ensure_repository(aws)
    assert kinds(aws) == ["bucket", "log group", "repository"]
    assert run(["down", "--yes"]) == 0
    assert inventory(aws) == []


def test_versions_that_somebody_turned_on_do_not_keep_the_bucket(aws: Switch, publisher):
    assert run(["up", "--yes"], publisher) == 0
    s3 = aws.client("s3")
    s3.put_bucket_versioning(Bucket=aws.bucket, VersioningConfiguration={"Status": "Enabled"})
    for body in (b"1", b"2"):
        s3.put_object(Bucket=aws.bucket, Key="models/m", Body=body)
    s3.delete_object(Bucket=aws.bucket, Key="models/m")
    assert run(["down", "--yes"]) == 0
    assert inventory(aws) == []


def test_bucket_that_no_stack_owns_is_not_up_to_delete(aws: Switch, publisher):
    place = {"LocationConstraint": "eu-central-1"}
    aws.client("s3").create_bucket(Bucket=aws.bucket, CreateBucketConfiguration=place)
    with pytest.raises(BucketTaken, match="is there but stack life is not") as taken:
        run(["up", "--yes"], publisher)
    assert "aws-down" in taken.value.hint
    assert kinds(aws) == ["bucket"]


def test_another_lab_of_a_confusing_prefix_is_left_alone(aws: Switch, lab: Lab):
    other = read_switch(
        {
            "FACELAB_BACKEND": "aws",
            "FACELAB_PREFIX": "life-device",
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{lab.port}",
            "AWS_REGION": "eu-central-1",
            "AWS_ACCESS_KEY_ID": "111122223333",
            "AWS_SECRET_ACCESS_KEY": "any",
        }
    )
    add_device(aws, "pi-01", QUIET)
    add_device(other, "pi-01", QUIET)  # the stack life-device-device-pi-01
    assert device_ids(aws, QUIET) == ["pi-01"]
    assert run(["down", "--yes"]) == 0
    assert device_ids(other, QUIET) == ["pi-01"]
    other.client("cloudformation").delete_stack(StackName="life-device-device-pi-01")


def test_nothing_is_done_without_a_yes(aws: Switch, publisher, monkeypatch):
    with pytest.raises(NotConfirmed, match="no terminal") as refused:
        run(["up"], publisher)
    assert "--yes" in refused.value.hint
    assert inventory(aws) == []


def test_without_credentials_it_says_so(person: Path, publisher):
    (person / "credentials").unlink()
    (person / ".env").write_text("AWS_REGION=eu-central-1\n")
    with pytest.raises(NoCredentials) as missing:
        run(["up", "--yes"], publisher)
    assert "AWS_PROFILE" in missing.value.hint


def test_unknown_profile_is_named(person: Path, publisher):
    (person / ".env").write_text("AWS_REGION=eu-central-1\nAWS_PROFILE=nobody\n")
    with pytest.raises(NoCredentials, match="nobody"):
        run(["up", "--yes"], publisher)


def test_without_a_region_it_says_so(person: Path, publisher):
    (person / ".env").write_text("AWS_PROFILE=person\n")
    with pytest.raises(NoRegion) as missing:
        run(["up", "--yes"], publisher)
    assert "AWS_REGION" in missing.value.hint


def test_without_a_docker_engine_up_says_so_before_it_makes_anything(aws: Switch, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(NoEngine, match="no Docker engine"):
        run(["up", "--yes"])
    assert inventory(aws) == []
