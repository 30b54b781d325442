"""Zip functions as containers: for each content an image, laid over one that has runtimes.

Which those are the image says itself, in the label `localstack-image-functions.runtimes`:
`python3.13=/opt/runtime/bin/python,nodejs20.x=/usr/bin/node`. Python's has `awslambdaric` in it.
"""

from __future__ import annotations

import tarfile
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from docker.errors import DockerException, ImageNotFound
from docker.models.images import Image

from localstack_image_functions.container.engine import LAB_LABEL, engine
from localstack_image_functions.errors import RuntimeNotFound
from localstack_image_functions.runtime.zips import LambdaRuntime, nearest_runtime, unpack

if TYPE_CHECKING:
    from localstack.services.lambda_.invocation.lambda_models import FunctionVersion

RUNTIMES_LABEL = "localstack-image-functions.runtimes"
_NAME = "localstack-image-functions-zip"
READABLE, SEARCHABLE = 0o444, 0o555


@dataclass(frozen=True)
class ZipImage:
    """A function's code and layers, laid over the image with the runtimes.

    `name` is what the engine calls it, `root` the folder it is made of, `runtime` what starts it.
    """

    name: str
    root: Path
    runtime: LambdaRuntime


class ZipImages:
    """Makes the images of one lab, each once, labeled with it.

    `base` is what the engine calls the image with the runtimes, `store` where code is unpacked,
    `limit` how many bytes that may take.
    """

    def __init__(self, base: str, lab: str, store: Path, limit: int) -> None:
        self._base = base
        self._lab = lab
        self._store = store
        self._limit = limit
        self._lock = threading.Lock()

    def image(self, version: FunctionVersion) -> ZipImage:
        """The image of a function's code and layers, made if need be.

        Raises
        ------
        CodeTooLarge
            When they are more than the limit together.
        RuntimeNotFound
            When the base image is not there or has no runtime for this language, and when the
            engine can't lay code over it.
        """
        base = self._base_image()
        runtime = nearest_runtime(version.config.runtime, _programs(base))
        root = unpack(version, self._store, self._limit)
        # Another base, another image: its packages are in it.
        name = f"{_NAME}:{root.name}-{base.id.rpartition(':')[2][:12]}"
        with self._lock:
            try:
                engine().images.get(name)
            except ImageNotFound:
                self._make(name, root)
        return ZipImage(name, root, runtime)

    def _base_image(self) -> Image:
        try:
            return engine().images.get(self._base)
        except DockerException as error:
            raise RuntimeNotFound(
                f"the image {self._base}, which runs zip functions, is not there: {error}"
            ) from error

    def _make(self, name: str, root: Path) -> None:
        """A container that never starts takes the files, and is kept as an image."""
        repository, _, tag = name.partition(":")
        try:
            container = engine().containers.create(self._base, ["-"], labels={LAB_LABEL: self._lab})
            try:
                with tempfile.TemporaryFile(dir=self._store) as archive:
                    _pack(root, archive)
                    container.put_archive("/", archive)
                container.commit(repository, tag)
            finally:
                container.remove()
        except DockerException as error:
            raise RuntimeNotFound(
                f"the engine can't lay code over {self._base}: {error}"
            ) from error

    def forget(self) -> None:
        """Remove all of this lab's: an earlier emulator's functions may be gone."""
        for image in engine().images.list(filters={"label": f"{LAB_LABEL}={self._lab}"}):
            engine().images.remove(image.id, force=True)


def _programs(base: Image) -> dict[str, Path]:
    """Its runtimes, as its label names them."""
    named = (one.partition("=") for one in base.labels.get(RUNTIMES_LABEL, "").split(",") if one)
    return {name: Path(program) for name, _, program in named}


def _pack(root: Path, archive: IO[bytes]) -> None:
    """Everybody may read the files, as Lambda runs functions as a user that owns none."""
    with tarfile.open(fileobj=archive, mode="w") as members:
        for path in sorted(root.iterdir()):
            members.add(path, path.name, filter=_readable)
    archive.seek(0)


def _readable(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mode |= SEARCHABLE if member.isdir() else READABLE
    return member
