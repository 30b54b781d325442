"""Zip functions as containers: for each content an image, laid over one that has runtimes.

Which those are the image says itself, in the label `localstack-image-functions.runtimes`:
`python3.13=/opt/function/bin/python,nodejs20.x=/usr/bin/node`. Python's has `awslambdaric` in it.
"""

from __future__ import annotations

import io
import tarfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from docker.errors import APIError, DockerException, ImageNotFound
from docker.models.images import Image

from localstack_image_functions.container.engine import LAB_LABEL, engine
from localstack_image_functions.errors import RuntimeNotFound
from localstack_image_functions.process.zips import LambdaRuntime, nearest_runtime, unpack

if TYPE_CHECKING:
    from localstack.services.lambda_.invocation.lambda_models import FunctionVersion

RUNTIMES_LABEL = "localstack-image-functions.runtimes"
NAME = "localstack-image-functions-zip"
_ROOT = "root"
READABLE, SEARCHABLE = 0o444, 0o555


class ZipImages:
    """Makes the images of one lab, each once; they stay for its next start, labeled with it.

    `base` is what the engine calls the image with the runtimes, `store` where code is unpacked.
    """

    def __init__(self, base: str, lab: str, store: Path) -> None:
        self._base = base
        self._lab = lab
        self._store = store
        self._lock = threading.Lock()

    def runtime(self, wanted: str) -> LambdaRuntime:
        """What runs functions of this runtime.

        Raises
        ------
        RuntimeNotFound
            When the base image is not there, or has none for its language.
        """
        label = self._base_image().labels.get(RUNTIMES_LABEL, "")
        named = (one.partition("=") for one in label.split(",") if one)
        return nearest_runtime(wanted, {name: Path(program) for name, _, program in named})

    def image(self, version: FunctionVersion, limit: int) -> str:
        """The image of a function's code and layers, made if need be.

        Raises
        ------
        CodeTooLarge
            When they are more than `limit` bytes together.
        RuntimeNotFound
            When the engine can't make it.
        """
        root = unpack(version, self._store, limit)
        # Another base, another image: its packages are in it.
        name = f"{NAME}:{root.name}-{self._base_image().id.rpartition(':')[2][:12]}"
        with self._lock:
            try:
                engine().images.get(name)
            except ImageNotFound:
                self._make(name, root)
        return name

    def _base_image(self) -> Image:
        try:
            return engine().images.get(self._base)
        except DockerException as error:
            raise RuntimeNotFound(
                f"the image {self._base}, which runs zip functions, is not there: {error}"
            ) from error

    def _make(self, name: str, root: Path) -> None:
        try:
            engine().images.build(
                fileobj=io.BytesIO(self._context(root)),
                custom_context=True,
                tag=name,
                rm=True,
                labels={LAB_LABEL: self._lab},
            )
        except (APIError, DockerException) as error:
            raise RuntimeNotFound(
                f"the engine can't lay code over {self._base}: {error}"
            ) from error

    def _context(self, root: Path) -> bytes:
        """What the engine needs: everybody may read the files, as Lambda runs them as nobody's."""
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as archive:
            commands = f"FROM {self._base}\nCOPY {_ROOT}/ /\n".encode()
            member = tarfile.TarInfo("Dockerfile")
            member.size = len(commands)
            archive.addfile(member, io.BytesIO(commands))
            archive.add(root, _ROOT, filter=_readable)
        return packed.getvalue()


def _readable(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mode |= SEARCHABLE if member.isdir() else READABLE
    return member
