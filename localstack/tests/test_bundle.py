"""Bundles: images in a local store."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from localstack_image_functions.errors import BundleNotFound, InvalidBundle
from localstack_image_functions.process import bundle as bundles
from localstack_image_functions.process.bundle import (
    ImageConfig,
    build_bundle,
    load_bundle,
    remove_tree,
)

CONFIG = ImageConfig(
    entrypoint=("/usr/bin/python3", "-m", "awslambdaric"),
    command=("handler.handler",),
    environment={"B": "2", "A": "1=1"},
    architecture="amd64",
)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    (folder / "package" / "__pycache__").mkdir(parents=True)
    (folder / "handler.py").write_text("def handler(event, context): ...\n")
    (folder / "package" / "one.py").write_text("ONE = 1\n")
    (folder / "package" / "__pycache__" / "one.pyc").write_bytes(b"junk")
    (folder / "run.sh").write_text("#!/bin/sh\n")
    (folder / "run.sh").chmod(0o755)
    return folder


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store"


def test_digest_is_that_of_the_manifest(store: Path, source: Path) -> None:
    bundle = build_bundle(store, {"/var/task": source}, CONFIG)
    assert bundle.digest == f"sha256:{hashlib.sha256(bundle.manifest.encode()).hexdigest()}"
    assert bundle.size_bytes == json.loads(bundle.manifest)["layers"][0]["size"]


def test_manifest_describes_config_and_layer(store: Path, source: Path) -> None:
    bundle = build_bundle(store, {"/var/task": source}, CONFIG)
    manifest = json.loads(bundle.manifest)
    config = (bundle.root.parent / "config.json").read_bytes()
    assert manifest["schemaVersion"] == 2
    assert manifest["mediaType"] == "application/vnd.oci.image.manifest.v1+json"
    assert manifest["config"]["digest"] == f"sha256:{hashlib.sha256(config).hexdigest()}"
    assert manifest["config"]["size"] == len(config)
    fields = json.loads(config)
    assert fields["rootfs"]["diff_ids"] == [manifest["layers"][0]["digest"]]
    assert (fields["os"], fields["architecture"]) == ("linux", "amd64")
    assert fields["config"]["Env"] == ["A=1=1", "B=2"]


def test_layer_digest_is_that_of_a_tar_of_the_files(store: Path, source: Path) -> None:
    bundle = build_bundle(store, {"/var/task": source}, CONFIG)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w|", format=tarfile.PAX_FORMAT) as tar:
        for name in ("handler.py", "package/one.py", "run.sh"):
            file = source / name
            entry = tarfile.TarInfo(f"var/task/{name}")
            entry.size = file.stat().st_size
            entry.mode = 0o555 if name == "run.sh" else 0o444
            tar.addfile(entry, io.BytesIO(file.read_bytes()))
    expected = hashlib.sha256(buffer.getvalue()).hexdigest()
    assert json.loads(bundle.manifest)["layers"][0]["digest"] == f"sha256:{expected}"


def test_same_content_elsewhere_and_later_has_the_same_digest(
    store: Path, source: Path, tmp_path: Path
) -> None:
    first = build_bundle(store, {"/var/task": source}, CONFIG)
    copy = tmp_path / "copy"
    source.rename(copy)
    os.utime(copy / "handler.py", (1, 1))
    files = {"/var/task/" + str(f.relative_to(copy)): f for f in copy.rglob("*.*") if f.is_file()}
    files = {name: file for name, file in files.items() if "__pycache__" not in name}
    again = build_bundle(tmp_path / "other store", dict(reversed(files.items())), CONFIG)
    assert again.digest == first.digest


@pytest.mark.parametrize(
    "change",
    [
        {"command": ("other.handler",)},
        {"environment": {}},
        {"working_directory": "/"},
        {"architecture": "arm64"},
    ],
)
def test_other_configuration_is_another_image(store: Path, source: Path, change: dict) -> None:
    fields = {
        "entrypoint": CONFIG.entrypoint,
        "command": CONFIG.command,
        "environment": CONFIG.environment,
        "architecture": CONFIG.architecture,
    }
    first = build_bundle(store, {"/var/task": source}, CONFIG)
    assert build_bundle(store, {"/var/task": source}, ImageConfig(**fields | change)) != first


def test_changed_content_of_the_same_size_is_another_image(store: Path, source: Path) -> None:
    first = build_bundle(store, {"/var/task": source}, CONFIG)
    (source / "package" / "one.py").write_text("ONE = 2\n")
    second = build_bundle(store, {"/var/task": source}, CONFIG)
    assert second.digest != first.digest
    assert load_bundle(store, first.digest) == first


def test_unchanged_sources_are_not_read_again(
    store: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = build_bundle(store, {"/var/task": source}, CONFIG)

    def fail(*_: object) -> None:
        raise AssertionError("the files were read again")

    monkeypatch.setattr(bundles, "_layer_digest", fail)
    assert build_bundle(store, {"/var/task": source}, CONFIG) == first


def test_emptied_store_is_filled_again(store: Path, source: Path) -> None:
    first = build_bundle(store, {"/var/task": source}, CONFIG)
    remove_tree(store / "sha256")
    assert build_bundle(store, {"/var/task": source}, CONFIG) == first
    assert (first.root / "var/task/handler.py").exists()


def test_files_are_read_only_copies(store: Path, source: Path) -> None:
    bundle = build_bundle(store, {"/var/task": source}, CONFIG)
    copy = bundle.host_path("/var/task/handler.py")
    assert copy.stat().st_mode & 0o777 == 0o444
    assert copy.parent.stat().st_mode & 0o777 == 0o555
    assert bundle.host_path("/var/task/run.sh").stat().st_mode & 0o111
    assert not bundle.host_path("/var/task/package/__pycache__").exists()
    (source / "handler.py").write_text("changed later\n")
    assert copy.read_text().startswith("def handler")


def test_loading_gives_back_what_was_built(store: Path, source: Path) -> None:
    built = build_bundle(store, {"/var/task": source}, CONFIG)
    assert load_bundle(store, built.digest) == built
    assert built.config == CONFIG


def test_two_builders_at_once_make_one_bundle(store: Path, source: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        jobs = [pool.submit(build_bundle, store, {"/var/task": source}, CONFIG) for _ in range(16)]
        digests = {job.result().digest for job in jobs}
    assert len(digests) == 1
    assert [entry.name for entry in (store / "sha256").iterdir()] == [
        digests.pop().removeprefix("sha256:")
    ]


def test_failed_build_leaves_no_draft(
    store: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(bundles.shutil, "copyfile", full)
    with pytest.raises(OSError, match="No space"):
        build_bundle(store, {"/var/task": source}, CONFIG)
    assert list((store / "sha256").iterdir()) == []


def test_missing_source_is_named(store: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidBundle, match="nowhere"):
        build_bundle(store, {"/var/task/x": tmp_path / "nowhere"}, CONFIG)


def test_two_files_for_one_place(store: Path, source: Path) -> None:
    with pytest.raises(InvalidBundle, match="both go to"):
        build_bundle(
            store,
            {"/var/task": source, "/var/task/handler.py": source / "run.sh"},
            CONFIG,
        )


def test_place_outside_the_image(store: Path, source: Path) -> None:
    with pytest.raises(InvalidBundle, match="leaves the image"):
        build_bundle(store, {"/var/task/../../../etc/x": source / "run.sh"}, CONFIG)


@pytest.mark.parametrize("digest", ["", "latest", "sha256:../../etc", "sha256:" + "0" * 64])
def test_unknown_digest(store: Path, digest: str) -> None:
    with pytest.raises(BundleNotFound):
        load_bundle(store, digest)
