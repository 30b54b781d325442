"""A snapshot is data: what comes back, and what a hostile file can't do."""

import hashlib
import json
import pickle
import stat
import struct
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from scripts.lab.contents import StoredObject
from scripts.lab.snapshot_file import BadSnapshot, Snapshot, read_snapshot, write_snapshot
from scripts.lab.snapshots import BadName, snapshot_path

CLIP = StoredObject("clips/lab/2026-11-25/a.h264", b"\x00\x01" * 500, {"camera": "1"}, "video/h264")
WHOLE = Snapshot(
    devices=["lab", "pi-01"],
    people=[{"person_id": {"S": "ada"}, "name": {"S": "Zoë Ada"}}],
    ledger=[{"clip": {"S": "c"}, "status": {"S": "answered"}, "person_ids": {"SS": ["ada"]}}],
    messages={"lab": ["{}"], "pi-01": []},
    dead_letters=["dead"],
    objects=[CLIP, StoredObject("gallery/gallery.npz", b"g", {}, "binary/octet-stream")],
)


class Trap:
    def __reduce__(self):
        return Path.touch, (Path("/tmp/facelab-hostile"),)  # noqa: S108


def index(path: Path) -> dict:
    with zipfile.ZipFile(path) as archive:
        return json.loads(archive.read("snapshot.json"))


def rewrite(path: Path, changed_index=None, extra=(), without=()) -> Path:
    """The same file with another index, more entries or fewer."""
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    if changed_index is not None:
        entries["snapshot.json"] = json.dumps(changed_index).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in entries.items():
            if name not in without:
                archive.writestr(name, data)
        for name, data in extra:
            archive.writestr(name, data)
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "s.facelab.zip"
    write_snapshot(path, WHOLE)
    return path


def test_everything_comes_back(path: Path) -> None:
    assert read_snapshot(path) == WHOLE


def test_writing_leaves_no_half_file(tmp_path: Path) -> None:
    bad = replace(WHOLE, people=[{"person_id": {"S": object()}}])
    with pytest.raises(TypeError):
        write_snapshot(tmp_path / "s.zip", bad)
    assert not (tmp_path / "s.zip").exists()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("format", 99),
        ("devices", ["../../etc"]),
        ("devices", ["PI 01"]),
        ("devices", [None]),
        ("devices", "lab"),
        ("people", [{"name": {"S": "nobody"}}]),
        ("people", [{"person_id": {"S": "a"}, "x": {"M": {"y": {"S": "z"}}}}]),
        ("people", [{"person_id": {"S": 1}}]),
        ("people", [{"person_id": {"S": "a"}, "x": {"S": "1", "N": "1"}}]),
        ("people", {"person_id": {"S": "a"}}),
        ("ledger", [[]]),
        ("messages", {"lab": [1]}),
        ("messages", {"../x": []}),
        ("messages", []),
        ("dead_letters", "text"),
        ("objects", "text"),
    ],
)
def test_an_index_that_no_lab_writes_is_refused(path: Path, field: str, value: object) -> None:
    rewrite(path, index(path) | {field: value})
    with pytest.raises(BadSnapshot):
        read_snapshot(path)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("key", "../../../etc/passwd"),
        ("key", "clips/../../x"),
        ("key", "/etc/passwd"),
        ("key", "other/x"),
        ("key", "clips/\x00"),
        ("key", "clips/" + "x" * 5000),
        ("key", None),
        ("size", -1),
        ("size", 999),
        ("size", 10**15),
        ("size", True),
        ("sha256", "0" * 64),
        ("metadata", {"a": 1}),
        ("metadata", None),
        ("content_type", 5),
    ],
)
def test_an_object_that_no_lab_has_is_refused(path: Path, field: str, value: object) -> None:
    changed = index(path)
    changed["objects"][0][field] = value
    rewrite(path, changed)
    with pytest.raises(BadSnapshot):
        read_snapshot(path)


def test_an_entry_beside_the_list_is_refused(path: Path) -> None:
    rewrite(path, extra=[("../../evil.py", b"import os")])
    with pytest.raises(BadSnapshot, match="lists"):
        read_snapshot(path)


@pytest.mark.parametrize("name", ["../../x", "/etc/passwd", "objects/../../x", "objects\\\\x"])
def test_an_entry_that_would_lie_elsewhere_is_refused(path: Path, name: str) -> None:
    rewrite(path, without=(), extra=[(name, b"x")])
    with pytest.raises(BadSnapshot, match="lists"):
        read_snapshot(path)


def test_a_link_is_not_followed(path: Path) -> None:
    """An unpacker that knows links would read the file that this one names."""
    link = zipfile.ZipInfo("objects/0")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    rewrite(path, without=("objects/0",), extra=[(link, b"/etc/passwd")])
    with pytest.raises(BadSnapshot):
        read_snapshot(path)


def test_a_missing_entry_is_refused(path: Path) -> None:
    rewrite(path, without=("objects/1",))
    with pytest.raises(BadSnapshot, match="lists"):
        read_snapshot(path)


def test_a_bomb_is_not_unpacked(path: Path) -> None:
    """An entry that unpacks to a gigabyte while the list says ten bytes."""
    changed = index(path)
    changed["objects"] = [changed["objects"][0] | {"size": 10}]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("snapshot.json", json.dumps(changed))
        with archive.open("objects/0", "w") as entry:
            for _ in range(64):
                entry.write(bytes(1 << 20))
    with pytest.raises(BadSnapshot, match="larger than it says"):
        read_snapshot(path)


def test_deeply_nested_json_is_refused(path: Path) -> None:
    deep = b'{"format": ' + b"[" * 200_000 + b"]" * 200_000 + b"}"
    rewrite(path, without=("snapshot.json",), extra=[("snapshot.json", deep)])
    with pytest.raises(BadSnapshot):
        read_snapshot(path)


@pytest.mark.parametrize(
    "data",
    [b"", b"PK\x03\x04", pickle.dumps(Trap()), b"\x1f\x8b" + bytes(100), struct.pack("<I", 1) * 99],
    ids=["nothing", "a beginning", "a pickle", "gzip", "noise"],
)
def test_what_is_no_snapshot_is_refused_and_never_run(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "s.zip"
    path.write_bytes(data)
    with pytest.raises(BadSnapshot):
        read_snapshot(path)
    assert not Path("/tmp/facelab-hostile").exists()  # noqa: S108


def test_a_pickle_inside_is_only_bytes(path: Path) -> None:
    body = pickle.dumps(Trap())
    write_snapshot(path, replace(WHOLE, objects=[replace(CLIP, body=body)]))
    assert read_snapshot(path).objects[0].body == body
    assert not Path("/tmp/facelab-hostile").exists()  # noqa: S108


@pytest.mark.parametrize("offset", range(0, 1200, 97))
def test_one_flipped_byte_is_noticed_or_harmless(path: Path, offset: int) -> None:
    data = bytearray(path.read_bytes())
    data[offset % len(data)] ^= 0xFF
    path.write_bytes(data)
    try:
        found = read_snapshot(path)
    except BadSnapshot:
        return
    assert found == WHOLE
    assert hashlib.sha256(found.objects[0].body).digest()


def test_a_file_that_is_not_there_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(BadSnapshot) as caught:
        read_snapshot(tmp_path / "nowhere.zip")
    assert "make snapshot" in caught.value.hint


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden", "x" * 65, "a b"])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(BadName):
        snapshot_path(name)


def test_a_name_or_a_path() -> None:
    assert snapshot_path("week-3").name == "week-3.facelab.zip"
    assert snapshot_path("/media/usb/x.zip") == Path("/media/usb/x.zip")
