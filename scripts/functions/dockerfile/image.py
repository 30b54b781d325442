"""An image while its Dockerfile is read: files by their place, variables, how it starts."""

from __future__ import annotations

import fnmatch
import posixpath
import shutil
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

from scripts.functions.dockerfile.bases import TASK_ROOT, Base
from scripts.functions.dockerfile.errors import DockerfileRefused
from scripts.functions.dockerfile.installs import Install
from scripts.provision.function_image import function_files
from scripts.setup import FUNCTION

# Folders that every base image has.
OF_SYSTEM = frozenset(
    {"/", "/bin", "/etc", "/home", "/opt", "/root", "/srv", "/tmp", "/var"}  # noqa: S108
    | {"/usr", "/usr/bin", "/usr/lib", "/usr/local", "/usr/local/bin", "/usr/local/lib", "/usr/src"}
)
PATH = "/usr/local/bin:/usr/bin:/bin"


@cache
def labs_packages() -> Install:
    """What the lab's own function may import."""
    options = ("--require-hashes", "--no-deps")
    return Install(0, options=options, requirements=(FUNCTION.lock.read_text(),))


@dataclass(frozen=True)
class Note:
    """What a line asks for that a process does otherwise."""

    line: int
    said: str
    instead: str

    def __str__(self) -> str:
        return f"Dockerfile:{self.line}: {self.said}: {self.instead}"


class Scratch:
    """A folder for files that the Dockerfile makes; each gets a path of its own."""

    def __init__(self, folder: Path):
        self._folder = folder
        self._count = 0

    def folder(self) -> Path:
        self._count += 1
        path = self._folder / str(self._count)
        path.mkdir(parents=True)
        return path

    def file(self, content: bytes, executable: bool = False) -> Path:
        path = self.folder() / "file"
        path.write_bytes(content)
        path.chmod(0o755 if executable else 0o644)
        return path

    def with_mode(self, source: Path, executable: bool) -> Path:
        """`source` itself if it has that mode, else a copy that has."""
        if bool(source.stat().st_mode & 0o100) == executable:
            return source
        path = self.folder() / "file"
        shutil.copyfile(source, path)
        path.chmod(0o755 if executable else 0o644)
        return path


@dataclass
class Image:
    """What the instructions of a stage have made so far.

    `files` maps a place in the image to a file of this machine. `lines` remembers where
    ENTRYPOINT (and so on) was said. `programs` are those of packages that a wheel stands in for.
    """

    base: Base
    line: int
    files: dict[str, Path] = field(default_factory=dict)
    folders: set[str] = field(default_factory=lambda: set(OF_SYSTEM))
    environment: dict[str, str] = field(default_factory=lambda: {"PATH": PATH})
    arguments: dict[str, str] = field(default_factory=dict)
    directory: str = "/"
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    started_at: int = 0
    installs: list[Install] = field(default_factory=list)
    programs: set[str] = field(default_factory=set)
    brings_python: bool = True

    @classmethod
    def on(cls, base: Base, line: int) -> Image:
        image = cls(base, line, brings_python=not base.is_system)
        if base.is_lambda:
            image.directory = TASK_ROOT
            image.folders.add(TASK_ROOT)
            image.environment |= {"LAMBDA_TASK_ROOT": TASK_ROOT}
            image.entrypoint = ("/lambda-entrypoint.sh",)
        if base.is_labs:
            image.directory = TASK_ROOT
            image.files |= {f"/{place}": path for place, path in function_files().items()}
            image.environment |= {"LAMBDA_TASK_ROOT": TASK_ROOT}
            image.entrypoint = ("python", "-m", "awslambdaric")
            image.command = ("handler.handler",)
            image.installs.append(labs_packages())
        return image

    def copy(self, line: int) -> Image:
        """What another stage begins with."""
        return replace(
            self,
            line=line,
            files=dict(self.files),
            folders=set(self.folders),
            environment=dict(self.environment),
            arguments={},
            installs=list(self.installs),
            programs=set(self.programs),
        )

    @property
    def variables(self) -> dict[str, str]:
        """What `$NAME` means; ENV goes before ARG."""
        return {**self.arguments, **self.environment}

    def place(self, path: str) -> str:
        """An absolute path in the image."""
        return "/" + posixpath.normpath(posixpath.join(self.directory, path)).lstrip("/")

    def is_folder(self, place: str) -> bool:
        below = place.rstrip("/") + "/"
        return place in self.folders or any(name.startswith(below) for name in self.files)

    def make_folder(self, place: str) -> None:
        self.folders.add(place)

    def put(self, place: str, source: Path, line: int) -> None:
        """A file at its place; one that was there is gone."""
        if self.is_folder(place):
            raise DockerfileRefused(line, f"{place} is a folder, and is to become a file")
        self.files[place] = source

    def text(self, path: str, line: int) -> str:
        """What a file of the image says."""
        source = self.files.get(self.place(path))
        if source is None:
            raise DockerfileRefused(
                line, f"{path} is not in the image at this line", "COPY it in an earlier line"
            )
        try:
            return source.read_text(encoding="utf-8-sig")
        except UnicodeDecodeError:
            raise DockerfileRefused(line, f"{path} is no UTF-8 text", "save it as UTF-8") from None

    def found(self, path: str) -> list[str]:
        """The files that a path (with `*` and `?`) or a folder means."""
        place = self.place(path)
        return [
            name
            for name in self.files
            if fnmatch.fnmatchcase(name, place) or name.startswith(place.rstrip("/") + "/")
        ]
