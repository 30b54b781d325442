"""S3 contents as files, one for each object version and each uploaded part.

LocalStack's own store keeps contents under 512 kB in memory and the others in unnamed files. Here
a content gets a file of its own name, and the object remembers it (`content`). An object that is
overwritten keeps its old file until the row that names the new one is kept, so that a crash in
between loses nothing; readers of the old one are not disturbed.
"""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import threading
import time
import uuid
from collections.abc import Iterator
from io import UnsupportedOperation
from pathlib import Path
from typing import IO, Any, Literal

from localstack.services.s3.constants import S3_CHUNK_SIZE
from localstack.services.s3.models import S3Multipart, S3Object, S3Part
from localstack.services.s3.storage.core import (
    LimitedStream,
    S3ObjectStore,
    S3StoredMultipart,
    S3StoredObject,
    should_copy_in_place,
)
from localstack.services.s3.utils import ObjectRange, get_s3_checksum

from localstack import config

PARTS = "multiparts"
GRACE_S = 60.0
"""How long the file of a deleted object stays for those who have just looked the object up."""


class StoredFile(S3StoredObject):
    """The content of one object version or part, open for reading or writing."""

    def __init__(self, s3_object: S3Object | S3Part, path: Path, mode: Literal["r", "w"]):
        super().__init__(s3_object, mode)
        self._path = path
        writing = "r+b" if path.exists() else "w+b"
        self._file: IO[bytes] = path.open(writing if mode == "w" else "rb")
        self._checksum_hash: Any = None
        self._etag: str | None = None

    def close(self) -> None:
        self._file.close()
        self.closed = True

    def read(self, s: int = -1) -> bytes:
        return self._file.read(s)

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def truncate(self, size: int | None = None) -> int:
        self._check_writable()
        return self._file.truncate(size)

    def write(self, stream: IO[bytes] | S3StoredObject | LimitedStream | None) -> int:
        """Replace the content by the stream's; sets the object's size, ETag and time."""
        self._check_writable()
        subject, etag = self.s3_object, hashlib.md5(usedforsecurity=False)
        if subject.checksum_algorithm:
            self._checksum_hash = get_s3_checksum(subject.checksum_algorithm)
        self._file.seek(0)
        self._file.truncate()
        try:
            while stream is not None and (data := stream.read(S3_CHUNK_SIZE)):
                self._file.write(data)
                etag.update(data)
                if self._checksum_hash:
                    self._checksum_hash.update(data)
            self._file.flush()
        except BaseException:  # the disk is full, or who sends has gone: nobody will name it
            self._path.unlink(missing_ok=True)
            raise
        subject.size = self._file.tell()
        self._etag = subject.etag = etag.hexdigest()
        self._written()
        self._file.seek(0)
        return subject.size

    def append(self, part: S3StoredObject) -> int:
        """Add a part's content at the end."""
        self._check_writable()
        self._file.seek(0, os.SEEK_END)
        before = self._file.tell()
        shutil.copyfileobj(part, self._file, S3_CHUNK_SIZE)
        self.s3_object.size = self._file.tell()
        self._written()
        return self.s3_object.size - before

    @property
    def last_modified(self) -> int:
        return self.s3_object.internal_last_modified

    @property
    def checksum(self) -> str | None:
        """Base64, None for an object without a checksum algorithm."""
        if not self.s3_object.checksum_algorithm:
            return None
        if self._checksum_hash is None:
            self._checksum_hash = get_s3_checksum(self.s3_object.checksum_algorithm)
            for data in self._whole():
                self._checksum_hash.update(data)
        return base64.b64encode(self._checksum_hash.digest()).decode()

    @property
    def etag(self) -> str:
        if self._etag is None:
            etag = hashlib.md5(usedforsecurity=False)
            for data in self._whole():
                etag.update(data)
            self._etag = etag.hexdigest()
        return self._etag

    def __iter__(self) -> Iterator[bytes]:
        while data := self._file.read(S3_CHUNK_SIZE):
            yield data

    def _whole(self) -> Iterator[bytes]:
        position = self._file.tell()
        self._file.seek(0)
        yield from self
        self._file.seek(position)

    def _written(self) -> None:
        self._file.flush()  # to the system, where the end of this process does not reach it
        self.s3_object.internal_last_modified = time.time_ns()

    def _check_writable(self) -> None:
        if self._mode != "w":
            raise UnsupportedOperation("S3 object is not in write mode")


class StoredParts(S3StoredMultipart):
    """The parts of an upload that is not complete."""

    _s3_store: FileObjectStore

    def __init__(self, s3_store: FileObjectStore, bucket: str, upload: S3Multipart, folder: Path):
        super().__init__(s3_store, bucket, upload)
        self._folder = folder

    def open(self, s3_part: S3Part, mode: Literal["r", "w"] = "r") -> StoredFile:
        self._folder.mkdir(parents=True, exist_ok=True)
        return StoredFile(s3_part, self._folder / str(s3_part.part_number), mode)

    def remove_part(self, s3_part: S3Part) -> None:
        (self._folder / str(s3_part.part_number)).unlink(missing_ok=True)

    def complete_multipart(self, parts: list[S3Part]) -> None:
        with self._s3_store.open(self.bucket, self.s3_multipart.object, "w") as stored:
            stored.truncate(0)
            for part in parts:
                with self.open(part) as stored_part:
                    stored.append(stored_part)

    def close(self) -> None:
        """Remove all parts."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def copy_from_object(
        self,
        s3_part: S3Part,
        src_bucket: str,
        src_s3_object: S3Object,
        range_data: ObjectRange | None,
    ) -> None:
        with (
            self._s3_store.open(src_bucket, src_s3_object) as source,
            self.open(s3_part, "w") as stored_part,
        ):
            stored_part.write(LimitedStream(source, range_data) if range_data else source)
            if s3_part.checksum_algorithm:
                s3_part.checksum_value = stored_part.checksum


class FileObjectStore(S3ObjectStore):
    """`<root>/<bucket>/<content>` and `<root>/<bucket>/multiparts/<upload>/<number>`."""

    def __init__(self, root: Path):
        self._root = root
        self._doomed: list[tuple[float, Path]] = []
        self._guard = threading.Lock()
        root.mkdir(parents=True, exist_ok=True)

    @property
    def root_directory(self) -> str:
        return str(self._root)

    def open(self, bucket: str, s3_object: S3Object, mode: Literal["r", "w"] = "r") -> StoredFile:
        content = getattr(s3_object, "content", None)
        if content is None:
            content = s3_object.content = uuid.uuid4().hex
        folder = self._root / bucket
        if mode == "w":
            folder.mkdir(parents=True, exist_ok=True)
        return StoredFile(s3_object, folder / content, mode)

    def remove(self, bucket: str, s3_object: S3Object | list[S3Object]) -> None:
        for one in s3_object if isinstance(s3_object, list) else [s3_object]:
            self.discard(bucket, getattr(one, "content", None))

    def discard(self, bucket: str, content: str | None) -> None:
        """Remove a content, after a while in which readers that know it may still come."""
        if content:
            with self._guard:
                self._doomed.append((time.monotonic() + GRACE_S, self._root / bucket / content))

    def sweep(self, everything: bool = False) -> None:
        """Remove the files whose time has come."""
        now = time.monotonic()
        with self._guard:
            due = [path for when, path in self._doomed if everything or when <= now]
            self._doomed = [(when, path) for when, path in self._doomed if path not in set(due)]
        for path in due:
            path.unlink(missing_ok=True)

    def keep_only(self, contents: dict[str, set[str]]) -> int:
        """Remove every file that no object names; how many there were."""
        removed = 0
        for folder in [one for one in self._root.iterdir() if one.is_dir()]:
            named = contents.get(folder.name)
            for path in [one for one in folder.iterdir() if one.is_file()]:
                if path.name not in (named or ()):
                    path.unlink(missing_ok=True)
                    removed += 1
            if named is None:
                shutil.rmtree(folder, ignore_errors=True)
        return removed

    def holds(self, bucket: str, s3_object: S3Object) -> bool:
        """Whether the object's content is there, whole."""
        try:
            path = self._root / bucket / getattr(s3_object, "content", "")
            return path.is_file() and path.stat().st_size == s3_object.size
        except OSError:
            return False

    def copy(
        self, src_bucket: str, src_object: S3Object, dest_bucket: str, dest_object: S3Object
    ) -> StoredFile:
        if should_copy_in_place(src_bucket, src_object, dest_bucket, dest_object):
            dest_object.content = src_object.content
            dest_object.size = src_object.size
            dest_object.internal_last_modified = src_object.internal_last_modified
            return self.open(dest_bucket, dest_object)
        with self.open(src_bucket, src_object) as source:
            copied = self.open(dest_bucket, dest_object, "w")
            copied.write(source)
        return copied

    def get_multipart(self, bucket: str, s3_multipart: S3Multipart) -> StoredParts:
        return StoredParts(self, bucket, s3_multipart, self._parts(bucket, s3_multipart))

    def remove_multipart(self, bucket: str, s3_multipart: S3Multipart) -> None:
        shutil.rmtree(self._parts(bucket, s3_multipart), ignore_errors=True)

    def delete_bucket(self, bucket: str) -> None:
        shutil.rmtree(self._root / bucket, ignore_errors=True)

    def close(self) -> None:
        """The files stay: they are the state."""
        self.sweep(everything=True)

    def reset(self) -> None:
        shutil.rmtree(self._root, ignore_errors=True)
        self._root.mkdir(parents=True, exist_ok=True)

    def _parts(self, bucket: str, upload: S3Multipart) -> Path:
        return self._root / bucket / PARTS / hashlib.sha256(upload.id.encode()).hexdigest()


_stores: list[FileObjectStore] = []


def use_object_store(store: FileObjectStore) -> None:
    """Let S3 keep its contents there."""
    _stores[:] = [store]


def object_store() -> FileObjectStore:
    """Where S3 keeps its contents: the emulator's temporary folder, unless told otherwise."""
    return _stores[0] if _stores else FileObjectStore(Path(config.dirs.tmp) / "s3")
