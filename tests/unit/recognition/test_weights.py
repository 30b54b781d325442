"""The build step: what comes out is proven by digests, what goes wrong is one line."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from weights.__main__ import main
from weights.build import ARTIFACTS, build, current_digests, source_dir
from weights.digests import Digests, sha256
from weights.dlib_stream import DlibStream
from weights.errors import ArtifactChanged, MalformedSource, SourceChanged, SourceMissing


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    copy = tmp_path / "sources"
    copy.mkdir()
    for artifact in ARTIFACTS:
        shutil.copy(source_dir() / artifact.source, copy)
    return copy


def test_conversion_gives_the_same_bytes_every_time():
    assert current_digests(source_dir()) == Digests.committed()


def test_second_build_is_a_no_op(models_dir: Path, tmp_path: Path, capsys):
    out = tmp_path / "models"
    shutil.copytree(models_dir, out)
    before = {path.name: path.stat().st_mtime_ns for path in out.iterdir()}
    assert main(["build", "--out", str(out), "--json"]) == 0
    assert '"built": false' in capsys.readouterr().out
    assert before == {path.name: path.stat().st_mtime_ns for path in out.iterdir()}


def test_damaged_artifact_is_built_again(models_dir: Path, tmp_path: Path, capsys):
    out = tmp_path / "models"
    shutil.copytree(models_dir, out)
    (out / "detector.onnx").write_bytes(b"half a file")
    assert main(["build", "--out", str(out)]) == 0
    assert Digests.committed().are_met_by(out)
    assert "digest as committed" in capsys.readouterr().out


def test_missing_source(tmp_path: Path, sources: Path):
    (sources / ARTIFACTS[1].source).unlink()
    with pytest.raises(SourceMissing, match="reinstall"):
        build(tmp_path / "out", Digests.committed(), sources)


def test_truncated_source_is_not_converted(tmp_path: Path, sources: Path):
    path = sources / ARTIFACTS[0].source
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(SourceChanged, match="digest"):
        build(tmp_path / "out", Digests.committed(), sources)
    assert not (tmp_path / "out" / ARTIFACTS[0].name).exists()


@pytest.mark.parametrize("artifact", ARTIFACTS, ids=lambda artifact: artifact.name)
@pytest.mark.parametrize("keep", [0, 1, 100, 5000, -1])
def test_truncated_bytes_are_malformed_not_a_traceback(artifact, keep: int):
    data = (source_dir() / artifact.source).read_bytes()[:keep]
    with pytest.raises(MalformedSource, match=r"\.dat"):
        artifact.convert(data, artifact.source)


def test_left_over_bytes_are_malformed():
    artifact = ARTIFACTS[1]
    data = (source_dir() / artifact.source).read_bytes() + b"x"
    with pytest.raises(MalformedSource, match="left over"):
        artifact.convert(data, artifact.source)


def test_another_result_than_committed_is_refused(tmp_path: Path):
    committed = Digests.committed()
    changed = replace(committed, artifacts=dict.fromkeys(committed.artifacts, sha256(b"")))
    with pytest.raises(ArtifactChanged, match="parity tests"):
        build(tmp_path, changed)
    assert list(tmp_path.iterdir()) == []


def test_error_is_one_line(tmp_path: Path, monkeypatch, capsys):
    monkeypatch.setattr("weights.build.PACKAGE", "no_such_package")
    assert main(["build", "--out", str(tmp_path)]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "not installed" in error


@pytest.mark.parametrize(
    ("raw", "value"),
    [(b"\x01\x05", 5), (b"\x81\x05", -5), (b"\x02\x00\x01", 256), (b"\x01\x00", 0)],
)
def test_integers_of_the_dlib_format(raw: bytes, value: int):
    assert DlibStream(raw, "x.dat").integer() == value


@pytest.mark.parametrize("raw", [b"", b"\x00", b"\x09" + bytes(9), b"\x11\x01", b"\x04\x01"])
def test_what_is_no_integer(raw: bytes):
    with pytest.raises(MalformedSource):
        DlibStream(raw, "x.dat").integer()


def test_floats_of_the_dlib_format():
    assert DlibStream(b"\x01\x03\x81\x01", "x.dat").floating() == 1.5
    assert DlibStream(b"\x01\x00\x02\x00\x7d", "x.dat").floating() == float("inf")
