"""Layers where no registry stands behind ECR: files, by repository and digest."""

from __future__ import annotations

import functools
import hashlib
import os
import re
import shutil
import threading
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from localstack import config
from localstack_image_functions.container.registry import RegistryRefused
from localstack_image_functions.settings import read_settings

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
MOST_UPLOADS = 1000
"""Begun and not completed; the oldest goes."""


@dataclass
class _Upload:
    place: str
    draft: Path
    received: int = 0
    digest: Any = field(default_factory=hashlib.sha256)


class LayerStore:
    """What `container.registry.Registry` does for layers, below a folder of this machine.

    A `place` is a repository of an account and region: what was pushed to one is not in another.
    """

    def __init__(self, folder: Path, public_host: str) -> None:
        self.public_host = public_host
        self._folder = folder
        self._drafts = folder / "uploads"
        self._uploads: dict[str, _Upload] = {}
        self._lock = threading.Lock()
        shutil.rmtree(self._drafts, ignore_errors=True)  # of an emulator that is gone

    def place(self, repository: Any) -> str:
        """Where a repository of moto's has its layers."""
        return place_of(repository.account_id, repository.region_name, repository.name)

    def path(self, place: str, digest: str) -> Path:
        """Where a layer lies, or would."""
        return self._folder / place / digest.replace(":", "-")

    def has_blob(self, place: str, digest: str) -> int | None:
        """A layer's size in bytes; None when the repository does not have it."""
        if not _DIGEST.fullmatch(digest):
            return None
        try:
            return self.path(place, digest).stat().st_size
        except FileNotFoundError:
            return None

    def begin_upload(self, place: str) -> str:
        """Begin to upload a layer; the upload's number."""
        number = str(uuid.uuid4())
        self._drafts.mkdir(parents=True, exist_ok=True)
        with self._lock:
            self._uploads[number] = _Upload(place, self._drafts / number)
            oldest = next(iter(self._uploads)) if len(self._uploads) > MOST_UPLOADS else None
        (self._drafts / number).touch()
        if oldest:
            self.cancel(oldest)
        return number

    def received(self, number: str, place: str) -> int | None:
        """How many bytes came so far; None when the repository has no such upload."""
        upload = self._uploads.get(number)
        return upload.received if upload and upload.place == place else None

    def append(self, number: str, start: int, data: bytes) -> str:
        """Take the bytes from `start` on; the upload's number.

        Raises
        ------
        RegistryRefused
            When they do not follow what came before, or the upload is gone.
        """
        upload = self._upload(number)
        if start != upload.received:
            raise RegistryRefused(f"byte {upload.received} comes next, not {start}")
        with upload.draft.open("ab") as file:
            file.write(data)
        upload.digest.update(data)
        upload.received += len(data)
        return number

    def finish_upload(self, number: str, digest: str) -> None:
        """Keep what was sent as the layer of that digest.

        Raises
        ------
        RegistryRefused
            When it has another one, or the upload is gone.
        """
        upload = self._upload(number)
        found = f"sha256:{upload.digest.hexdigest()}"
        if found != digest:
            self.cancel(number)
            raise RegistryRefused(f"its digest is {found}")
        kept = self.path(upload.place, digest)
        kept.parent.mkdir(parents=True, exist_ok=True)
        upload.draft.replace(kept)
        self.cancel(number)

    def cancel(self, number: str) -> None:
        """Forget an upload; quiet when it is gone."""
        with self._lock:
            upload = self._uploads.pop(number, None)
        if upload:
            upload.draft.unlink(missing_ok=True)

    def mount(self, place: str, digest: str, source: str) -> bool:
        """Give a repository the layer of another one; whether that one has it."""
        kept = self.path(place, digest)
        if self.has_blob(source, digest) is None:
            return False
        kept.parent.mkdir(parents=True, exist_ok=True)
        if not kept.exists():
            os.link(self.path(source, digest), kept)
        return True

    def lacking(self, place: str, digests: Iterable[str]) -> str | None:
        """The first of these layers that the repository does not have."""
        return next((one for one in digests if self.has_blob(place, one) is None), None)

    def forget(self, place: str) -> None:
        """Remove a repository's layers."""
        shutil.rmtree(self._folder / place, ignore_errors=True)

    def _upload(self, number: str) -> _Upload:
        try:
            return self._uploads[number]
        except KeyError:
            raise RegistryRefused(f"there is no upload {number}") from None


def place_of(account: str, region: str, repository: str) -> str:
    """The folder of a repository's layers; a name with slashes is one folder, not several."""
    return f"{account}/{region}/{quote(repository, safe='')}"


@functools.cache
def layer_store() -> LayerStore | None:
    """The emulator's one store; None where no folder for bundles is named."""
    store = read_settings().store
    host = f"{config.LOCALSTACK_HOST.host}:{config.LOCALSTACK_HOST.port}"
    return LayerStore(store / "layers", host) if store else None
