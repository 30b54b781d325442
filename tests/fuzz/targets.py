"""What is fuzzed: each target takes bytes and fails when its reader breaks its promise.

The promise is always the same: an answer, or the one error that the reader's documentation
names. Any other exception, a hang or a crash is a find.
"""

from __future__ import annotations

import io
import json
import socket
import tempfile
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from contract.annexb import access_units, nal_units
from contract.clips import (
    MAX_KEY_BYTES,
    ClipKey,
    ClipMetadata,
    InvalidClipKey,
    InvalidClipMetadata,
)
from contract.results import InvalidResult, Result
from contract.traces import METADATA, ClipTrace

CORPUS = Path(__file__).parent / "corpus"
SOCKET_S = 5.0


@dataclass(frozen=True)
class Target:
    """`run(data)` raises when a promise is broken. `reads` are the modules that are measured.

    Inputs of `make fuzz` have at most `most_bytes`: many small ones find more than few large.
    """

    name: str
    run: Callable[[bytes], None]
    reads: tuple[str, ...]
    most_bytes: int = 16_384

    @property
    def corpus(self) -> Path:
        return CORPUS / self.name


def _text(data: bytes) -> str:
    """Any text, lone surrogates included: JSON can carry them."""
    return data.decode("utf-8", "surrogatepass") if _is_utf8(data) else data.decode("latin-1")


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return False
    return True


# --- clips -----------------------------------------------------------------------------------


def annexb(data: bytes) -> None:
    units = list(nal_units(data))
    pictures = list(access_units(units))
    assert all(0 <= one.start < one.end <= len(data) for one in [*units, *pictures])
    assert sum(len(one.units) for one in pictures) <= len(units)


def decoder(data: bytes) -> None:
    from recognition import ClipRejected, Settings
    from recognition.decode import Clip

    settings = Settings()
    try:
        for frame in Clip(data, settings).frames(settings.max_frames):
            height, width, channels = frame.to_rgb().shape
            assert channels == 3
            assert max(height, width) <= settings.max_frame_px
    except ClipRejected as rejected:
        assert str(rejected)


def picture_size(data: bytes) -> None:
    from contract.annexb import NalUnit
    from recognition import sps

    try:
        width, height = sps.picture_size(NalUnit(data))
    except sps.MalformedSps:
        return
    assert width > 0
    assert height > 0


# --- words -----------------------------------------------------------------------------------


def event(data: bytes) -> None:
    from events import ClipRef, InvalidEvent, clips_in

    try:
        parsed = json.loads(data)
    except (ValueError, RecursionError):
        return
    for found in clips_in(parsed):
        assert isinstance(found, (ClipRef, InvalidEvent))
        if isinstance(found, ClipRef):
            assert len(found.row.encode()) <= 2048  # DynamoDB's longest key


def letter(data: bytes) -> None:
    """A message among the dead letters, and the same as Lambda hands it to the reconciler."""
    from failed_events import sorted_out
    from reconcile_event import event_for
    from reconcile_stores import clips_of_letter

    text = _text(data)
    clips = clips_of_letter(text)
    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError):
        assert clips == ()
        return
    refs, _ = sorted_out(parsed.get("requestPayload") if isinstance(parsed, dict) else None)
    assert {one.row for one in refs} == {one.row for one in clips}
    for ref in refs:
        (again,) = clips_of_letter(json.dumps({"requestPayload": event_for(ref)}))
        assert again.row == ref.row


def result(data: bytes) -> None:
    try:
        read = Result.from_json(_text(data))
    except InvalidResult as error:
        assert str(error)
        return
    assert Result.from_json(read.to_json()) == read


def message(data: bytes) -> None:
    """A message in a device's queue: shown or set aside, and nothing reaches the terminal raw."""
    from device.inbox import Message

    viewer, shelf, out = _viewer()
    out.seek(0)
    out.truncate()
    assert viewer.handle(Message(_text(data), str(hash(data)), "receipt"), shelf)
    for character in out.getvalue():
        assert character in "\n\u200c\u200d" or not _is_unseen(character), repr(character)


def _is_unseen(character: str) -> bool:
    return unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp")


@cache
def _viewer() -> tuple[Any, Any, io.StringIO]:
    from threading import Event

    from device.answered import Answered
    from device.clock import Clock
    from device.console import Console
    from device.rejects import Rejects
    from device.viewer import Shelf, Viewer

    folder = Path(tempfile.mkdtemp(prefix="facelab-fuzz-"))
    out = io.StringIO()
    answered = Answered(folder, "lab")
    answered.open()
    viewer = Viewer(Console(out=out), Clock(), Event(), None, name_devices=False)
    return viewer, Shelf("lab", answered, Rejects(folder / "rejects")), out


def key(data: bytes) -> None:
    text = _text(data)
    try:
        parsed = ClipKey.parse(text)
    except InvalidClipKey as error:
        assert str(error)
        return
    assert parsed.clip_id
    assert "/" not in parsed.device_id
    written = str(parsed)  # a name that does not end so gets a suffix, and may then be too long
    if len(written.encode("utf-8", "surrogatepass")) <= MAX_KEY_BYTES:
        assert ClipKey.parse(written).device_id == parsed.device_id


def metadata(data: bytes) -> None:
    names = ("capture-start-ms", "capture-end-ms", "sequence")
    lines = _text(data).split("\n")
    values = dict(zip(names, lines, strict=False))
    trace = ClipTrace.from_s3({METADATA: lines[-1]})
    assert trace is None or ClipTrace.from_s3(trace.to_s3()) == trace
    try:
        read = ClipMetadata.from_s3(values)
    except InvalidClipMetadata as error:
        assert str(error)
        return
    assert read is None or ClipMetadata.from_s3(read.to_s3()) == read


# --- artifacts -------------------------------------------------------------------------------


def gallery(data: bytes) -> None:
    from recognition import Gallery, GalleryUnreadable

    try:
        read = Gallery.from_bytes(data)
    except GalleryUnreadable as error:
        assert str(error)
        return
    assert Gallery.from_bytes(read.to_bytes()).people == read.people


def custom_model(data: bytes) -> None:
    from recognition import CustomModel, CustomModelUnusable

    try:
        assert CustomModel.from_bytes(data).labels is not None
    except CustomModelUnusable as error:
        assert str(error)


# --- Dockerfiles -----------------------------------------------------------------------------


def dockerfile(data: bytes) -> None:
    """Read as `docker build` would take it; what it names outside its folder is not seen."""
    from scripts.functions.dockerfile.errors import DockerfileRefused
    from scripts.functions.dockerfile.reading import read_dockerfile

    folder = _student_folder()
    path = folder / "Dockerfile"
    path.write_bytes(data)
    with tempfile.TemporaryDirectory(prefix="facelab-fuzz-") as scratch:
        try:
            recipe = read_dockerfile(folder, path, Path(scratch), host_has=lambda name: True)
        except DockerfileRefused as refused:
            assert str(refused)
            return
        for file in recipe.files.values():
            real = file.resolve()
            assert real.is_relative_to(folder) or real.is_relative_to(Path(scratch).resolve())


@cache
def _student_folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="facelab-fuzz-")).resolve() / "student"
    (folder / "src").mkdir(parents=True)
    for name, text in {
        "handler.py": "def handler(event, context): ...\n",
        "requirements.txt": "numpy==2.0\n",
        "src/util.py": "",
        ".dockerignore": "*.md\n",
        "../outside.txt": "not for anybody's image",
    }.items():
        (folder / name).write_text(text)
    return folder


# --- the emulator ----------------------------------------------------------------------------


def runtime_api(data: bytes) -> None:
    """Whatever a function sends to its runtime API, the next one's request is answered."""
    address = _api().address
    _exchange(address, data, wait=False)
    answer = _exchange(address, b"GET /nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1."), answer[:100]


@cache
def _api() -> Any:
    from localstack_image_functions.runtime.api import RuntimeApi
    from localstack_image_functions.runtime.server import RuntimeApiServer

    return RuntimeApiServer(RuntimeApi())


def _exchange(address: str, data: bytes, wait: bool = True) -> bytes:
    host, _, port = address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=SOCKET_S) as connection:
        try:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            if not wait:
                return b""
            return connection.recv(4096)
        except (ConnectionError, TimeoutError) as error:
            return b"" if not wait else repr(error).encode()


DOCKERFILE = tuple(
    f"scripts.functions.dockerfile.{name}"
    for name in ("copying", "ignore", "installs", "lines", "parsing", "reading", "running",
                 "shell", "variables")
)  # fmt: skip
TARGETS = {
    one.name: one
    for one in (
        Target("annexb", annexb, ("contract.annexb",)),
        Target(
            "decoder",
            decoder,
            ("contract.annexb", "recognition.decode", "recognition.parts", "recognition.sps"),
            most_bytes=2048,
        ),
        Target("picture-size", picture_size, ("recognition.sps",)),
        Target("event", event, ("events", "contract.clips")),
        Target("letter", letter, ("events", "failed_events", "reconcile_event", "contract.clips")),
        Target("result", result, ("contract.results", "contract.decoding")),
        Target("message", message, ("contract.results", "device.viewer", "device.report")),
        Target("key", key, ("contract.clips",)),
        Target("metadata", metadata, ("contract.clips",)),
        Target("gallery", gallery, ("recognition.gallery", "zipfile")),
        Target("custom-model", custom_model, ("recognition.custom_model",)),
        Target("dockerfile", dockerfile, DOCKERFILE, most_bytes=4096),
        Target("runtime-api", runtime_api, ("localstack_image_functions.runtime.server",)),
    )
}
