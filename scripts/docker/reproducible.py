"""One digest for one content: images again, without the times at which they were built.

A build leaves its time in an image's configuration, in each file that it made, and in byte code,
which notes when its source was written. Newer builders can leave some of that out when told to;
the engine that a machine has may be any. So this is done after the build, to what came of it.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import mmap
import re
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from scripts.docker.engine import engine_client
from scripts.errors import LabError

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.images import Image

TIME_S = 946_684_800  # the year 2000: later than what zip files can say, earlier than any package
CREATED = "2000-01-01T00:00:00Z"
BUILT = "built-"
"""Begins the second tag of such an image, which goes on with the id of the build it was made of."""
ENGINE_TIMEOUT_S = 600
COPY_BYTES = 1 << 20
GZIP = b"\x1f\x8b"
# What runs: notes of an engine and of Compose of how they built are left out.
COMPOSE = "com.docker.compose."
CONFIGURATION = ("architecture", "variant", "os", "os.version", "author", "config", "rootfs")
# Of an archive: where a header says what, and which kinds of entries are read.
BLOCK = 512
NAME, SIZE, MODIFIED, CHECKSUM = slice(0, 100), slice(124, 136), slice(136, 148), slice(148, 156)
KIND, FILES, EXTENDED = slice(156, 157), (b"0", b"\0"), (b"x", b"g")
TIME_RECORD, PATH_RECORD = re.compile(rb"\d+ [mac]time="), re.compile(rb"\d+ path=")
# Of byte code: a magic number, flags (0: checked by its source's time), that time, the size.
FLAGS, SOURCE_TIME, HEADER_BYTES = slice(4, 8), slice(8, 12), 16


class NotSaved(LabError):
    """The engine did not hand over the image as it was built."""


def make_reproducible(*tags: str) -> None:
    """Put in the place of each of these images the one that every build of its content comes to.

    A second where that was done before.

    Raises
    ------
    NotSaved
        When the engine hands over something else than it has.
    docker.errors.DockerException
        When the engine has no such image, or does not take the new one.
    """
    engine = engine_client(timeout_s=ENGINE_TIMEOUT_S)
    for tag in tags:
        _replace(engine, tag)


def _replace(engine: DockerClient, tag: str) -> None:
    built = engine.images.get(tag)
    name, _, version = tag.rpartition(":")
    if any(_of_build(one) for one in built.tags):
        return  # what this made, under the name already
    own = f"{BUILT}{built.id.rpartition(':')[2][:24]}"
    known = [image for image in engine.images.list(name) if any(map(_of_build, image.tags))]
    made = next((image for image in known if f"{name}:{own}" in image.tags), None)
    if made is None:
        made = _loaded(engine, built, f"{name}:{own}")
    made.tag(name, version)
    for image in known:  # of earlier builds
        for old in image.tags:
            if _of_build(old) and old != f"{name}:{own}":
                engine.images.remove(old, force=True)  # a container may still run it


def _of_build(tag: str) -> bool:
    return tag.rpartition(":")[2].startswith(BUILT)


def _loaded(engine: DockerClient, built: Image, tag: str) -> Image:
    with tempfile.TemporaryDirectory(prefix="facelab-image-") as folder:
        saved, rewritten = Path(folder) / "saved.tar", Path(folder) / "rewritten.tar"
        with saved.open("wb") as target:
            for part in built.save():
                target.write(part)
        with tarfile.open(saved) as source, tarfile.open(rewritten, "w") as target_archive:
            rewrite(source, target_archive, tag)
        saved.unlink()
        with rewritten.open("rb") as archive:
            engine.images.load(archive)
    return engine.images.get(tag)


def rewrite(saved: tarfile.TarFile, target: tarfile.TarFile, tag: str) -> None:
    """The one image of an archive as `docker save` writes it, as `docker load` will read it."""
    (facts,) = json.load(_file(saved, "manifest.json"))
    config = json.load(_file(saved, facts["Config"]))
    layers, digests = [], []
    for number, (layer, built) in enumerate(
        zip(facts["Layers"], config["rootfs"]["diff_ids"], strict=True)
    ):
        with tempfile.TemporaryFile() as scratch, tempfile.TemporaryFile() as normalized:
            _unpack(_file(saved, layer), scratch)
            digests.append(_normalized(scratch, built, normalized))
            member = tarfile.TarInfo(f"{number}.tar")
            member.size = normalized.tell()
            normalized.seek(0)
            target.addfile(member, normalized)
            layers.append(member.name)
    kept = {name: config[name] for name in CONFIGURATION if name in config}
    labels = kept["config"].get("Labels") or {}
    kept["config"]["Labels"] = {
        name: value for name, value in labels.items() if not name.startswith(COMPOSE)
    }
    kept["rootfs"] = {"type": "layers", "diff_ids": digests}
    kept["created"] = CREATED
    kept["history"] = [{**one, "created": CREATED} for one in config.get("history", ())]
    _add(target, "config.json", kept)
    _add(target, "manifest.json", [{"Config": "config.json", "RepoTags": [tag], "Layers": layers}])


def _unpack(layer: IO[bytes], scratch: IO[bytes]) -> None:
    """Some engines save layers as they were pulled."""
    is_packed = layer.read(len(GZIP)) == GZIP
    layer.seek(0)
    with gzip.GzipFile(fileobj=layer) if is_packed else layer as plain:
        shutil.copyfileobj(plain, scratch, COPY_BYTES)


def _normalized(layer: IO[bytes], built: str, target: IO[bytes]) -> str:
    """Write the layer `built` with one time for everything; the digest that it has then."""
    digest = hashlib.sha256()
    layer.flush()
    with mmap.mmap(layer.fileno(), 0, access=mmap.ACCESS_READ) as archive:
        if f"sha256:{hashlib.sha256(archive).hexdigest()}" != built:
            raise NotSaved(f"the engine saved another layer than {built}", "try again")
        for part in _with_one_time(archive):
            digest.update(part)
            target.write(part)
    return f"sha256:{digest.hexdigest()}"


def _with_one_time(archive: mmap.mmap) -> Iterator[bytes]:
    """The parts of an archive, with one time for all files, and in byte code for its source.

    By its bytes: to take it apart and put it together by `tarfile` takes ten times as long.
    """
    at, path = 0, b""
    while at + BLOCK <= len(archive) and archive[at]:
        header = bytearray(archive[at : at + BLOCK])
        size = _number(header[SIZE])
        content = archive[at + BLOCK : at + BLOCK + size]
        at += BLOCK + size + -size % BLOCK
        kind = bytes(header[KIND])
        if kind in EXTENDED:
            content = b"".join(one for one in _records(content) if not TIME_RECORD.match(one))
            path = next((one for one in _records(content) if PATH_RECORD.match(one)), b"").rstrip()
            header[SIZE] = b"%011o\0" % len(content)
        else:
            if kind in FILES and (path or header[NAME].rstrip(b"\0")).endswith(b".pyc"):
                content = _byte_code(content)
            path = b""
        if kind not in EXTENDED or content:
            header[MODIFIED] = b"%011o\0" % TIME_S
            header[CHECKSUM] = b" " * 8  # as which it counts
            header[CHECKSUM] = b"%06o\0 " % sum(header)
            yield bytes(header)
            yield content
            yield bytes(-len(content) % BLOCK)
    yield bytes(2 * BLOCK)


def _records(extended: bytes) -> Iterator[bytes]:
    """The records of an extended header: each says first how long it is."""
    while extended:
        length = int(extended.partition(b" ")[0])
        yield extended[:length]
        extended = extended[length:]


def _number(field: bytes | bytearray) -> int:
    """Octal digits, or bytes where these are too few."""
    if field[0] & 0x80:
        return int.from_bytes(field[1:], "big")
    return int(field.strip(b"\0 ") or b"0", 8)


def _byte_code(data: bytes) -> bytes:
    """Byte code that is checked by its source's time says the time that its source has now."""
    if len(data) < HEADER_BYTES or any(data[FLAGS]):
        return data
    return data[: SOURCE_TIME.start] + TIME_S.to_bytes(4, "little") + data[SOURCE_TIME.stop :]


def _file(archive: tarfile.TarFile, name: str) -> IO[bytes]:
    try:
        found = archive.extractfile(name)
    except KeyError:
        found = None
    if found is None:
        raise NotSaved(f"the engine saved an image without its {name}", "try again")
    return found


def _add(archive: tarfile.TarFile, name: str, content: Any) -> None:
    data = json.dumps(content, sort_keys=True).encode()
    member = tarfile.TarInfo(name)
    member.size = len(data)
    archive.addfile(member, io.BytesIO(data))
