"""Whatever `forget` is given, nothing of anybody else goes; and the forgotten stay forgotten."""

from __future__ import annotations

import json
import unicodedata
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from contract.clips import ContractError
from contract.names import CUSTOM_MODEL_KEY, GALLERY_KEY, TOMBSTONES_KEY
from contract.results import Box, Face, Identity, Person, Result, Status
from recognition import Gallery
from scripts.console import Progress
from scripts.errors import LabError
from scripts.gallery.enrollment import same_name
from scripts.gallery.forgetting import Forgetting, NobodyKnown, who
from scripts.gallery.local_copies import LocalCopies, OutsideItsFolder, check_below
from scripts.gallery.queued_results import without_person
from scripts.gallery.store import PeopleStore
from scripts.gallery.tombstones import TombstoneBook, Tombstones, TombstonesUnreadable
from scripts.paths import ROOT
from scripts.provision.people import BadRoster, Seeds, keep_forgotten, read_roster, seed
from tests.fakes.people_cloud import PeopleCloud

MODEL = ROOT / "training" / "shipped" / "custom.onnx"
PEOPLE = [
    Person("ada-lovelace", "Ada Lovelace", "Mathematics", "1843"),
    Person("alex", "Alex", "", ""),
    Person("alex-2", "Alex", "", ""),
    Person("joe-biden", "Joe Biden", "Law", "1968"),
    Person("jose-d994e1d0", "José", "", ""),
]
QUIET = Progress(quiet=True)


@pytest.fixture(autouse=True)
def state(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("FACELAB_STATE", str(tmp_path / "state"))
    return tmp_path / "state"


def result_of(*people: Person) -> Result:
    known = [Identity(Status.RECOGNIZED, 0.9, 0.3, person) for person in people]
    faces = tuple(
        Face(Box(1, 2, 3, 4), 0.9, 99, 50.0, 1, one.status, one.person.person_id, one, one, True)
        for one in known
        if one.person
    )
    return Result("c", "lab", "clips/lab/c.h264", Status.RECOGNIZED, faces=faces)


def populated(versioned: bool = False) -> PeopleCloud:
    cloud = PeopleCloud()
    cloud.s3.versioned = versioned
    names = cloud.names
    gallery = Gallery.of([one.person_id for one in PEOPLE], np.eye(len(PEOPLE), 128))
    cloud.s3.put_object(GALLERY_KEY, gallery.to_bytes())
    cloud.s3.put_object(CUSTOM_MODEL_KEY, MODEL.read_bytes())
    for person in PEOPLE:
        item = {name: {"S": value} for name, value in vars(person).items()}
        cloud.dynamodb.put_item(names.people_table, item)
        key = f"clips/lab/2026-11-25/{person.person_id}.h264"
        cloud.s3.put_object(key, b"clip")
        cloud.dynamodb.put_item(
            names.ledger_table,
            {"clip": {"S": f"lab/{person.person_id}"}, "object_key": {"S": key},
             "person_ids": {"SS": [person.person_id]}},
        )  # fmt: skip
    cloud.sqs.queues[names.result_queue("lab")] = [
        result_of(one, PEOPLE[0]).to_json() for one in PEOPLE
    ]
    return cloud


def furnished(folder: Path) -> LocalCopies:
    """Pictures and an export of everybody, and a neighbor that nobody may touch."""
    for person in PEOPLE:
        pictures = folder / "data" / person.person_id / "today"
        pictures.mkdir(parents=True, exist_ok=True)
        (pictures / "1.png").write_bytes(b"picture")
    export = folder / "kept" / "lab-1"
    (export / "gallery").mkdir(parents=True, exist_ok=True)
    (export / "roster.json").write_text(json.dumps([vars(one) for one in PEOPLE]))
    gallery = Gallery.of([one.person_id for one in PEOPLE], np.eye(len(PEOPLE), 128))
    (export / GALLERY_KEY).write_bytes(gallery.to_bytes())
    (export / CUSTOM_MODEL_KEY).parent.mkdir(exist_ok=True)
    (export / CUSTOM_MODEL_KEY).write_bytes(MODEL.read_bytes())
    (folder / "precious").mkdir(exist_ok=True)
    (folder / "precious" / "file").write_bytes(b"precious")
    return LocalCopies(folder / "data", folder / "kept", (folder,))


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def everything_of(cloud: PeopleCloud, folder: Path, person: Person) -> list[bool]:
    """What there is of a person, place by place."""
    rows = json.dumps(cloud.dynamodb.tables)
    gallery = Gallery.from_bytes(cloud.s3.objects[GALLERY_KEY][-1][1])
    return [
        f'"S": "{person.person_id}"' in rows,
        f'["{person.person_id}"]' in rows,
        f"clips/lab/2026-11-25/{person.person_id}.h264" in cloud.s3.objects,
        person.person_id in gallery,
        (folder / "data" / person.person_id / "today" / "1.png").is_file(),
        any(f'"person_id":"{person.person_id}"' in body for body in cloud.sqs.everything()),
        person.person_id in (folder / "kept" / "lab-1" / "roster.json").read_text(),
    ]


def test_forgotten_person_is_gone_everywhere_and_everybody_else_is_whole(tmp_path):
    cloud, copies = populated(), furnished(tmp_path)
    ada = PEOPLE[0]
    forgetting = Forgetting(PeopleStore(cloud), copies)
    plan = forgetting.plan(" ada  LOVELACE ", None)
    assert any("Ada Lovelace, Mathematics, 1843" in line for line in plan.lines())
    assert all(everything_of(cloud, tmp_path, ada)), "the plan alone removes nothing"
    done = forgetting.carry_out(plan, lambda _: None)
    assert not any(everything_of(cloud, tmp_path, ada))
    assert done.cloud.results == 5
    assert len(cloud.sqs.everything()) == 5, "every clip keeps its outcome"
    for other in PEOPLE[1:]:
        assert all(everything_of(cloud, tmp_path, other)), other


def test_faces_kept_for_a_second_look_go_whosever_they_are(tmp_path):
    cloud, copies = populated(), furnished(tmp_path)
    kept = tmp_path / "cache" / "ab"
    kept.mkdir(parents=True)
    (kept / "abcd.npz").write_bytes(b"a face")
    (tmp_path / "cache" / "elsewhere").symlink_to(tmp_path / "precious")
    forgetting = Forgetting(PeopleStore(cloud), replace(copies, face_cache=tmp_path / "cache"))
    forgetting.carry_out(forgetting.plan("Ada Lovelace", None), lambda _: None)
    assert not kept.exists()
    assert (tmp_path / "precious" / "file").exists()


def test_model_that_knew_them_goes_from_bucket_and_exports(tmp_path):
    cloud, copies = populated(), furnished(tmp_path)
    forgetting = Forgetting(PeopleStore(cloud), copies)
    done = forgetting.carry_out(forgetting.plan("Joe Biden", None), lambda _: None)
    assert done.cloud.models == [CUSTOM_MODEL_KEY]
    assert CUSTOM_MODEL_KEY not in cloud.s3.objects
    assert not (tmp_path / "kept" / "lab-1" / CUSTOM_MODEL_KEY).exists()


def test_older_versions_of_gallery_and_models_go_too():
    cloud = populated(versioned=True)
    newer = Gallery.of(["alex"], np.eye(1, 128))
    cloud.s3.put_object(GALLERY_KEY, newer.to_bytes())
    traces = PeopleStore(cloud).forget("joe-biden")
    assert traces.older_versions >= 1
    for versions in cloud.s3.objects.values():
        for _, data in versions:
            assert b"joe-biden" not in data.replace(b"\0", b"")


@pytest.mark.parametrize("name", ["", " ", "!!!", "..", "/", "\x00"])
def test_empty_person_is_an_error_that_deletes_nothing(tmp_path, name):
    cloud, copies = populated(), furnished(tmp_path)
    before = files(tmp_path)
    with pytest.raises(ContractError):
        Forgetting(PeopleStore(cloud), copies).plan(name, None)
    assert files(tmp_path) == before


@pytest.mark.parametrize("person_id", ["..", ".", "/", "/etc", "../precious", "data", "ADA"])
def test_person_id_that_leads_elsewhere_deletes_nothing(tmp_path, person_id):
    cloud, copies = populated(), furnished(tmp_path)
    before = files(tmp_path)
    with pytest.raises((ContractError, LabError)):
        Forgetting(PeopleStore(cloud), copies).plan("", person_id)
    assert files(tmp_path) == before


names_and_ids = st.one_of(
    st.text(max_size=30),
    st.sampled_from([one.name for one in PEOPLE] + [one.person_id for one in PEOPLE]),
    st.sampled_from(["..", "/", "../precious", "", "!!!", "alex!", "jose", "Jose\u0301", "."]),
    st.builds("{}/{}".format, st.just(".."), st.text(max_size=9)),
)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(name=names_and_ids, asked_id=st.one_of(st.none(), names_and_ids))
@example(name="", asked_id="")
@example(name="", asked_id=None)
@example(name="Alex", asked_id=None)
@example(name="Ada Lovelace", asked_id="alex")
def test_forget_takes_the_named_persons_own_and_nothing_else(tmp_path, name, asked_id):
    cloud, copies = populated(), furnished(tmp_path)
    before, objects = files(tmp_path), set(cloud.s3.objects)
    forgetting = Forgetting(PeopleStore(cloud), copies)
    try:
        plan = forgetting.plan(name, asked_id)
    except (ContractError, LabError):
        assert (files(tmp_path), set(cloud.s3.objects)) == (before, objects)
        assert TOMBSTONES_KEY not in cloud.s3.objects
        return
    person = plan.person
    assert person in PEOPLE
    assert person.person_id == asked_id or same_name(person.name, name)
    forgetting.carry_out(plan, lambda _: None)
    gone = before - files(tmp_path)
    own = {f"data/{person.person_id}/today/1.png", f"kept/lab-1/{CUSTOM_MODEL_KEY}"}
    assert gone <= own
    assert objects - set(cloud.s3.objects) <= {
        f"clips/lab/2026-11-25/{person.person_id}.h264", CUSTOM_MODEL_KEY
    }  # fmt: skip
    for other in PEOPLE:
        assert all(everything_of(cloud, tmp_path, other)) == (other != person)


def test_two_people_of_one_name_are_not_told_apart_by_it():
    with pytest.raises(NobodyKnown, match="alex, alex-2"):
        who("Alex", None, PEOPLE)
    assert who("", "alex-2", PEOPLE).person_id == "alex-2"


def test_name_typed_on_a_mac_finds_the_person_enrolled_on_linux():
    assert who(unicodedata.normalize("NFD", "José"), None, PEOPLE).name == "José"


def test_id_and_name_of_different_people_are_refused():
    with pytest.raises(NobodyKnown, match="alex is Alex, not Ada"):
        who("Ada Lovelace", "alex", PEOPLE)


def test_name_that_only_resembles_an_id_is_refused_with_whose_it_is():
    with pytest.raises(NobodyKnown, match="ada-lovelace is Ada Lovelace") as said:
        who("ada-lovelace", None, PEOPLE)
    assert "--person-id ada-lovelace" in said.value.hint


def test_link_among_the_pictures_goes_and_what_it_leads_to_stays(tmp_path):
    copies = furnished(tmp_path)
    (tmp_path / "data" / "Grace Hopper").symlink_to(tmp_path / "precious")
    copies.delete_pictures_of("grace-hopper")
    assert not (tmp_path / "data" / "Grace Hopper").is_symlink()
    assert (tmp_path / "precious" / "file").is_file()


def test_pictures_folder_called_by_the_name_is_the_persons(tmp_path):
    copies = furnished(tmp_path)
    (tmp_path / "data" / "Joe_Biden").mkdir()
    assert {path.name for path in copies.delete_pictures_of("joe-biden")} == {
        "Joe_Biden", "joe-biden"
    }  # fmt: skip


@pytest.mark.parametrize("path", [".", "..", "../other", "/", "a/../.."])
def test_what_is_not_strictly_below_its_folder_is_never_deleted(tmp_path, path):
    with pytest.raises(OutsideItsFolder):
        check_below(tmp_path / "root" / path, tmp_path / "root")
    check_below(tmp_path / "root" / "a" / "b", tmp_path / "root")


def test_ledger_row_that_points_elsewhere_deletes_no_other_object():
    cloud = populated()
    cloud.dynamodb.put_item(
        cloud.names.ledger_table,
        {"clip": {"S": "x"}, "object_key": {"S": GALLERY_KEY}, "person_ids": {"SS": ["alex"]}},
    )
    PeopleStore(cloud).forget("alex")
    assert GALLERY_KEY in cloud.s3.objects


def test_files_that_mention_the_person_are_named_in_every_spelling(tmp_path):
    copies = furnished(tmp_path)
    jose = PEOPLE[4]
    (tmp_path / "raw.log").write_text("14:05 José: recognized")
    (tmp_path / "mac.log").write_text(unicodedata.normalize("NFD", "José"))
    (tmp_path / "report.json").write_text(json.dumps({"name": "José"}))
    (tmp_path / "other.log").write_text("Joseph")
    mentioned = {path.name for path in copies.mentions_of(jose)}
    assert {"raw.log", "mac.log", "report.json"} <= mentioned
    assert "other.log" not in mentioned


def test_result_without_the_person_is_as_the_function_would_send_it_today():
    ada, alex = PEOPLE[:2]
    both = without_person(result_of(ada, alex), "ada-lovelace")
    assert both.status is Status.RECOGNIZED
    assert "Ada" not in both.to_json()
    assert [face.person_id for face in both.faces] == [None, "alex"]
    alone = without_person(result_of(ada), "ada-lovelace")
    assert alone.status is Status.UNKNOWN
    assert Result.from_json(alone.to_json()) == alone


def test_message_in_a_queue_that_nobody_can_read_goes_if_it_names_them():
    cloud = populated()
    queue = cloud.names.result_queue("lab")
    cloud.sqs.queues[queue] += ["not json", 'broken {"person_id":"alex"']
    PeopleStore(cloud).forget("alex")
    assert "not json" in cloud.sqs.everything()
    assert not any("broken" in body for body in cloud.sqs.everything())


# --- tombstones ---------------------------------------------------------------------------------


def seeds(tmp_path: Path, tombstones: Path | None = None) -> Seeds:
    (tmp_path / "roster.json").write_text(json.dumps([vars(one) for one in PEOPLE]))
    gallery = Gallery.of([one.person_id for one in PEOPLE], np.eye(len(PEOPLE), 128))
    (tmp_path / "gallery.npz").write_bytes(gallery.to_bytes())
    return Seeds(tmp_path / "roster.json", tmp_path / "gallery.npz", MODEL, tombstones)


def known_to(cloud: PeopleCloud) -> tuple[set[str], set[str]]:
    rows = set(cloud.dynamodb.tables.get(cloud.names.people_table, {}))
    return rows, set(Gallery.from_bytes(cloud.s3.objects[GALLERY_KEY][-1][1]).people)


def test_seeding_after_a_restart_brings_nobody_back(tmp_path):
    PeopleStore(populated()).forget("joe-biden")
    fresh = PeopleCloud()  # the emulator keeps nothing
    seed(fresh, seeds(tmp_path), QUIET)
    everybody = {one.person_id for one in PEOPLE}
    assert known_to(fresh) == (everybody - {"joe-biden"}, everybody - {"joe-biden"})
    assert CUSTOM_MODEL_KEY not in fresh.s3.objects, "the shipped model knows him"


def test_seeding_with_nobody_forgotten_takes_all(tmp_path):
    fresh = PeopleCloud()
    seed(fresh, seeds(tmp_path), QUIET)
    assert known_to(fresh)[0] == known_to(fresh)[1] == {one.person_id for one in PEOPLE}
    assert fresh.s3.objects[CUSTOM_MODEL_KEY][-1][1] == MODEL.read_bytes()


def test_older_state_of_the_lab_that_comes_back_is_cleaned(tmp_path):
    PeopleStore(populated()).forget("joe-biden")
    restored = populated()
    seed(restored, seeds(tmp_path), QUIET)
    assert "joe-biden" not in known_to(restored)[0] | known_to(restored)[1]
    assert CUSTOM_MODEL_KEY not in restored.s3.objects


def test_restore_on_another_machine_honors_the_exports_own_list(tmp_path, monkeypatch):
    (tmp_path / "list.json").write_bytes(Tombstones().with_person("alex").to_bytes())
    fresh = PeopleCloud()
    seed(fresh, seeds(tmp_path, tmp_path / "list.json"), QUIET)
    assert "alex" not in known_to(fresh)[0] | known_to(fresh)[1]


def test_list_that_came_with_an_export_counts_from_then_on(tmp_path):
    (tmp_path / "list.json").write_bytes(Tombstones().with_person("alex").to_bytes())
    cloud = PeopleCloud()
    seed(cloud, seeds(tmp_path, tmp_path / "list.json"), QUIET)
    again = PeopleCloud()
    seed(again, seeds(tmp_path), QUIET)
    assert "alex" not in known_to(again)[0] | known_to(again)[1]


def test_snapshot_that_is_put_back_is_cleaned_models_and_waiting_results_too():
    PeopleStore(populated()).forget("joe-biden")
    restored = populated()
    restored.dynamodb.tables[restored.names.people_table].pop("joe-biden")
    keep_forgotten(restored, QUIET)
    assert CUSTOM_MODEL_KEY not in restored.s3.objects
    assert not any("Joe Biden" in body for body in restored.sqs.everything())
    assert "clips/lab/2026-11-25/joe-biden.h264" not in restored.s3.objects


def test_account_outlives_this_machine(tmp_path, monkeypatch):
    cloud = populated()
    PeopleStore(cloud).forget("joe-biden")
    monkeypatch.setenv("FACELAB_STATE", str(tmp_path / "another-machine"))
    assert TombstoneBook(cloud).read().covers("joe-biden")


def test_somebody_who_is_enrolled_again_is_no_longer_forgotten(tmp_path):
    cloud = populated()
    store = PeopleStore(cloud)
    store.forget("joe-biden")
    store.enroll(PEOPLE[3], np.eye(1, 128, dtype=np.float32), None)
    assert not store.tombstones.read().covers("joe-biden")
    seed(cloud, seeds(tmp_path), QUIET)
    assert "joe-biden" in known_to(cloud)[0]


def test_tombstone_names_nobody(state):
    cloud = populated()
    PeopleStore(cloud).forget("joe-biden")
    local = (state / "forgotten" / "tombstones.json").read_bytes()
    for data in (local, cloud.s3.objects[TOMBSTONES_KEY][-1][1]):
        assert b"joe" not in data
    assert (state / "forgotten" / "tombstones.json").stat().st_mode & 0o777 == 0o600


def test_damaged_list_is_refused_rather_than_passed_over(tmp_path, state):
    (state / "forgotten").mkdir(parents=True)
    (state / "forgotten" / "tombstones.json").write_text("{")
    with pytest.raises(TombstonesUnreadable):
        seed(PeopleCloud(), seeds(tmp_path), QUIET)


def test_nobody_was_forgotten_who_was_not_known(tmp_path):
    cloud, copies = populated(), furnished(tmp_path)
    with pytest.raises(NobodyKnown, match="nothing was deleted"):
        Forgetting(PeopleStore(cloud), copies).plan("No Body", None)
    assert not TombstoneBook(cloud).read()


@pytest.mark.parametrize(
    "rows",
    [
        [{"person_id": "../x", "name": "X", "major": "", "year": ""}],
        [{"person_id": "x", "name": "", "major": "", "year": ""}],
        [{"person_id": "x", "name": "X", "major": "", "year": ""}] * 2,
        [{"person_id": "x"}],
        {"x": 1},
    ],
)
def test_roster_of_unusable_ids_or_names_is_refused(tmp_path, rows):
    (tmp_path / "roster.json").write_text(json.dumps(rows))
    with pytest.raises(BadRoster):
        read_roster(tmp_path / "roster.json")
