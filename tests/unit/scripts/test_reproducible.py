"""Images of the same content, built at different times, become one image."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile

import pytest

from scripts.docker.reproducible import NotSaved, rewrite

LONG = f"opt/{'deep/' * 40}__pycache__/module.cpython-313.pyc"
SHORT = "opt/__pycache__/module.cpython-313.pyc"
BY_TIME, BY_CONTENT = 0, 1


def byte_code(source_time: int, flags: int = BY_TIME) -> bytes:
    numbers = (flags, source_time, 100)
    return b"\xf3\x0d\x0d\x0a" + b"".join(one.to_bytes(4, "little") for one in numbers) + b"code"


def layer(files: dict[str, bytes], time_s: float) -> bytes:
    """As an engine writes it: times in headers, and parts of seconds in extended ones."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mtime = len(content), time_s
            member.pax_headers = {"SCHILY.xattr.user.kept": "yes"}
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def saved(files: dict[str, bytes], time_s: float, packed: bool = False) -> tarfile.TarFile:
    """An image of one layer as `docker save` writes it."""
    data = layer(files, time_s)
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {
            "Cmd": ["bash"],
            "Labels": {"com.docker.compose.project": str(time_s), "a": "b"},
        },
        "created": f"2026-01-01T00:00:{time_s % 60:09.6f}Z",
        "history": [{"created": f"2026-01-01T00:00:{time_s % 60:09.6f}Z", "created_by": "COPY"}],
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(data).hexdigest()}"]},
        "moby.buildkit.buildinfo.v1": str(time_s),
    }
    manifest = [{"Config": "c.json", "RepoTags": None, "Layers": ["1/layer.tar"]}]
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in (
            ("1/layer.tar", gzip.compress(data) if packed else data),
            ("c.json", json.dumps(config).encode()),
            ("manifest.json", json.dumps(manifest).encode()),
        ):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return tarfile.open(fileobj=io.BytesIO(buffer.getvalue()))


def rewritten(image: tarfile.TarFile) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as target:
        rewrite(image, target, "name:tag")
    return buffer.getvalue()


def files_of(archive: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as members:
        return {one.name: members.extractfile(one).read() for one in members if one.isreg()}


def test_the_time_of_a_build_is_in_no_part_of_it():
    images = [
        rewritten(
            saved({"etc/a": b"a", SHORT: byte_code(int(time)), LONG: byte_code(int(time))}, time)
        )
        for time in (1_700_000_000.25, 1_700_000_001.5)
    ]
    assert images[0] == images[1]


def test_another_content_is_another_image():
    one, other = (rewritten(saved({"etc/a": content}, 1e9)) for content in (b"a", b"b"))
    assert files_of(one)["config.json"] != files_of(other)["config.json"]


def test_what_is_loaded_is_whole_and_named_by_its_digest():
    files = files_of(rewritten(saved({"etc/a": b"kept", LONG: byte_code(1)}, 1_700_000_000.25)))
    config, (manifest,) = json.loads(files["config.json"]), json.loads(files["manifest.json"])
    assert manifest == {"Config": "config.json", "RepoTags": ["name:tag"], "Layers": ["0.tar"]}
    assert config["rootfs"]["diff_ids"] == [f"sha256:{hashlib.sha256(files['0.tar']).hexdigest()}"]
    assert "moby.buildkit.buildinfo.v1" not in config
    assert config["config"] == {"Cmd": ["bash"], "Labels": {"a": "b"}}
    assert files_of(files["0.tar"])["etc/a"] == b"kept"
    with tarfile.open(fileobj=io.BytesIO(files["0.tar"])) as archive:
        member = archive.getmember("etc/a")
        source = int.from_bytes(archive.extractfile(LONG).read()[8:12], "little")
        assert {one.mtime for one in archive} == {source}, "or Python compiles at every start"
    assert member.pax_headers["SCHILY.xattr.user.kept"] == "yes"


def test_byte_code_that_is_checked_by_content_is_left_alone():
    checked = byte_code(123_456, BY_CONTENT)
    files = files_of(rewritten(saved({SHORT: checked}, 1e9)))
    assert files_of(files["0.tar"])[SHORT] == checked


def test_layers_that_an_engine_saves_compressed_are_the_same():
    files = {"etc/a": b"a"}
    assert rewritten(saved(files, 1e9, packed=True)) == rewritten(saved(files, 1e9))


def test_half_a_layer_is_not_taken_for_an_image():
    image = saved({"etc/a": b"a"}, 1e9)
    image.fileobj.seek(image.getmember("1/layer.tar").offset_data + 512 + 512)
    image.fileobj.write(b"\0" * 512)
    with pytest.raises(NotSaved, match="another layer"):
        rewritten(image)


def test_an_archive_without_its_list_of_contents_is_not_taken_for_an_image():
    buffer = io.BytesIO()
    tarfile.open(fileobj=buffer, mode="w").close()
    with (
        tarfile.open(fileobj=io.BytesIO(buffer.getvalue())) as empty,
        pytest.raises(NotSaved, match=r"without its manifest\.json"),
    ):
        rewritten(empty)
