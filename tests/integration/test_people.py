"""Enroll, forget and a new model, seen from the running function."""

from __future__ import annotations

import json
import shutil

import pytest

from contract.results import Status
from scripts.e2e.truth import names, read_truth
from scripts.paths import ROOT
from tests.conftest import wait_until
from tests.integration.test_loop import FIXTURES, Cloud, clips, new_key  # noqa: F401


@pytest.fixture(scope="module")
def people_lab(tmp_path_factory):
    """A lab whose people these tests may change."""
    from tests.conftest import Lab, free_port

    lab = Lab(tmp_path_factory.mktemp("people"), free_port())
    lab.up()
    yield lab
    lab.down()


@pytest.fixture(scope="module")
def cloud(people_lab) -> Cloud:
    return Cloud(people_lab)


def clip_where(clips, wanted) -> bytes:  # noqa: F811
    """An easy clip whose truth fulfils `wanted`."""
    for truth in read_truth(FIXTURES / "truth.json"):
        if wanted(truth):
            return clips[truth.index]
    pytest.fail("the fixture has no such clip")


def seen_in(cloud, clip: bytes, model: str = "online") -> set[str]:
    return names(cloud.ask(clip), model)


def test_stranger_is_known_within_seconds_after_enrollment_and_unknown_after_forget(
    people_lab,
    cloud,
    clips,  # noqa: F811
    tmp_path,
):
    stranger = clip_where(clips, lambda truth: truth.strangers == 1 and not truth.visible)
    assert seen_in(cloud, stranger) == set()

    photos = tmp_path / "photos"
    photos.mkdir()
    for source in (FIXTURES / "sources").glob("hopper*"):
        if source.suffix in (".jpg", ".png"):
            shutil.copy(source, photos)
    (photos / "broken.jpg").write_bytes(b"not a picture")
    done = people_lab.run(
        *("scripts.cli.people", "enroll", "--json", "--person", "Grace Hopper"),
        *("--major", "Mathematics", "--year", "1934", "--photos", str(photos)),
    )
    outcome = json.loads(done.stdout)
    assert outcome["person_id"] == "grace-hopper"
    assert [one["source"] for one in outcome["refused"]] == ["broken.jpg"]
    wait_until(lambda: seen_in(cloud, stranger) == {"grace-hopper"}, 15, "the new gallery")

    listed = json.loads(people_lab.run("scripts.cli.people", "roster", "--json").stdout)
    assert {"Grace Hopper"} <= {row["name"] for row in listed}

    pictures = tmp_path / "pictures"
    shutil.copytree(photos, pictures / "grace-hopper")
    kept_key = new_key()
    cloud.put(kept_key, stranger)
    assert names(cloud.take(kept_key), "online") == {"grace-hopper"}
    done = people_lab.run(
        *("scripts.cli.people", "forget", "--json", "--person", "Grace Hopper", "--yes"),
        *("--pictures", str(pictures)),
    )
    assert json.loads(done.stdout)["clips"] >= 1
    assert "messages.py --log" in done.stderr, "what can't be reached is named"
    wait_until(lambda: seen_in(cloud, stranger) == set(), 15, "the gallery without her")
    assert not (pictures / "grace-hopper").exists()
    assert_no_trace(cloud, "grace-hopper", kept_key)


def assert_no_trace(cloud, person_id: str, clip_key: str) -> None:
    dynamodb, cloud_names = cloud.switch.client("dynamodb"), cloud.switch.names
    for table in (cloud_names.people_table, cloud_names.ledger_table):
        assert person_id not in json.dumps(dynamodb.scan(TableName=table)["Items"])
    objects = cloud.s3.list_objects_v2(Bucket=cloud.bucket)["Contents"]
    assert clip_key not in {row["Key"] for row in objects}
    for row in objects:
        body = cloud.s3.get_object(Bucket=cloud.bucket, Key=row["Key"])["Body"].read()
        assert person_id.encode() not in body.replace(b"\0", b"")


def test_forgetting_nobody_says_so(people_lab):
    done = people_lab.run("scripts.cli.people", "forget", "--person", "No Body", check=False)
    assert done.returncode == 1
    assert "nobody called No Body is known" in done.stderr
    assert "Traceback" not in done.stderr


def people(lab, *arguments: str, check: bool = True):
    return lab.run("scripts.cli.people", *arguments, check=check)


def roster_of(lab) -> dict[str, str]:
    rows = json.loads(people(lab, "roster", "--json").stdout)
    return {row["person_id"]: row["name"] for row in rows}


@pytest.mark.parametrize(
    "arguments",
    [(), ("--person", ""), ("--person", "!!!"), ("--person-id", ".."), ("--person-id", "/etc"),
     ("--person", "", "--person-id", "")],
)  # fmt: skip
def test_forget_without_a_person_is_an_error_that_deletes_nothing(people_lab, tmp_path, arguments):
    (tmp_path / "data" / "ada").mkdir(parents=True)
    (tmp_path / "data" / "ada" / "1.png").write_bytes(b"x")
    before = roster_of(people_lab)
    done = people(
        people_lab, "forget", *arguments, "--yes", "--pictures", str(tmp_path / "data"), check=False
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert (tmp_path / "data" / "ada" / "1.png").is_file()
    assert roster_of(people_lab) == before


def test_forget_asks_and_without_anybody_to_ask_does_nothing(people_lab):
    done = people(people_lab, "forget", "--person", "Eileen Collins", check=False)
    assert done.returncode == 1
    assert "row in the people table: Eileen Collins" in done.stderr
    assert "--yes" in done.stderr
    assert "eileen-collins" in roster_of(people_lab)


def test_enrolling_from_a_clip_under_another_name_is_refused_and_under_the_own_works(
    people_lab,
    clips,  # noqa: F811
    tmp_path,
):
    easy = clip_where(clips, lambda truth: truth.visible == ("eileen-collins",) and not truth.tags)
    (tmp_path / "me.h264").write_bytes(easy)
    (tmp_path / "empty.h264").write_bytes(b"")
    photos = ("--photos", str(tmp_path))
    done = people(people_lab, "enroll", "--person", "Grace", *photos, check=False)
    assert done.returncode == 1
    assert "Grace looks like Eileen Collins (eileen-collins)" in done.stderr
    assert "grace" not in roster_of(people_lab)
    done = people(people_lab, "enroll", "--json", "--person", " eileen  COLLINS", *photos)
    outcome = json.loads(done.stdout)
    assert outcome["person_id"] == "eileen-collins"
    assert outcome["taken"]
    assert [one["source"] for one in outcome["refused"]] == ["empty.h264"]
    assert roster_of(people_lab)["eileen-collins"] == "eileen COLLINS"


def test_photos_without_a_face_enroll_nobody(people_lab, tmp_path):
    from PIL import Image

    Image.new("RGB", (300, 300), "gray").save(tmp_path / "wall.png")
    done = people_lab.run(
        *("scripts.cli.people", "enroll", "--person", "Wall", "--photos", str(tmp_path)),
        check=False,
    )
    assert done.returncode == 1
    assert "wall.png: no face found" in done.stderr
    assert "hint:" in done.stderr


def test_model_that_the_function_could_not_use_is_refused(people_lab, tmp_path):
    (tmp_path / "bad.onnx").write_bytes(b"no model")
    done = people_lab.run("scripts.cli.model", "--model", str(tmp_path / "bad.onnx"), check=False)
    assert done.returncode == 1
    assert "can't be used" in done.stderr


def test_forgotten_person_leaves_no_model_and_rollback_brings_none_back(people_lab, cloud, clips):  # noqa: F811
    easy = clip_where(clips, lambda truth: truth.is_single_person and not truth.tags)
    (person,) = wait_until(lambda: seen_in(cloud, easy, "custom"), 15, "the custom model")
    shipped = str(ROOT / "training" / "shipped" / "custom.onnx")
    people_lab.run("scripts.cli.model", "--model", shipped)
    kept = json.loads(people_lab.run("scripts.cli.model", "--history", "--json").stdout)["kept"]
    assert len(kept) == 1
    people_lab.run("scripts.cli.model", "--rollback")
    assert seen_in(cloud, easy, "custom") == {person}

    done = people_lab.run("scripts.cli.people", "forget", "--json", "--person-id", person, "--yes")
    assert json.loads(done.stdout)["models"] == ["models/custom.onnx"]
    wait_until(lambda: seen_in(cloud, easy, "custom") == set(), 15, "the model to be gone")
    result = cloud.ask(easy)
    assert result.status is not Status.RECOGNIZED
    done = people_lab.run("scripts.cli.model", "--rollback", check=False)
    assert "no earlier model" in done.stderr


def test_forgotten_person_leaves_waiting_results_and_stays_away_after_a_restart(own_lab, clips):  # noqa: F811
    own_lab.up()
    cloud = Cloud(own_lab)
    biden = clip_where(clips, lambda truth: truth.visible == ("joe-biden",) and not truth.tags)
    obama = clip_where(clips, lambda truth: truth.visible == ("barack-obama",) and not truth.tags)
    keys = [new_key(), new_key()]
    for key, clip in zip(keys, (biden, obama), strict=True):
        cloud.put(key, clip)
    wait_until(lambda: waiting(cloud) == 2, 120, "two results that wait")
    done = people(own_lab, "forget", "--json", "--person", "Joe Biden", "--yes")
    assert json.loads(done.stdout)["results"] == 1
    assert names(cloud.take(keys[0]), "online") == set()
    own_lab.down()
    own_lab.up()
    assert set(roster_of(own_lab)) == {"barack-obama", "eileen-collins"}
    after = Cloud(own_lab)
    assert seen_in(after, biden) == set()
    assert seen_in(after, obama) == {"barack-obama"}
    shipped = str(ROOT / "training" / "shipped" / "custom.onnx")
    done = own_lab.run("scripts.cli.model", "--model", shipped, check=False)
    assert "asked to forget" in done.stderr


def waiting(cloud) -> int:
    asked = "ApproximateNumberOfMessages"
    answer = cloud.sqs.get_queue_attributes(QueueUrl=cloud.queue, AttributeNames=[asked])
    return int(answer["Attributes"][asked])
