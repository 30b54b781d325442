"""COPY and ADD: files of the folder, of another stage or of an archive to their places."""

from __future__ import annotations

import posixpath
import re
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from scripts.functions.dockerfile.errors import DockerfileRefused
from scripts.functions.dockerfile.ignore import IgnoreRules, expression_of
from scripts.functions.dockerfile.image import Image, Note, Scratch
from scripts.functions.dockerfile.parsing import Instruction
from scripts.functions.dockerfile.variables import Expansion

FLAGS = frozenset({"from", "chown", "chmod", "link"})
EMULATOR = re.compile(r"aws-lambda-rie(?:-arm64|-x86_64)?$")
MODE = re.compile(r"[0-7]{1,5}|[ugoa]*[-+=][rwxXst]*(?:,[ugoa]*[-+=][rwxXst]*)*")
NO_EMULATOR = "left out: the lab serves the Runtime API itself"
INSTALLER = re.compile(r"(?:^|/)astral-sh/uv(?::|@|$)")


@dataclass(frozen=True)
class Found:
    """Files that one source names: by their path below it; `is_file` when it was one itself."""

    name: str
    files: Mapping[str, Path]
    is_file: bool


class Context:
    """The folder that a Dockerfile is built in, without what `.dockerignore` leaves out."""

    def __init__(self, folder: Path, dockerfile: Path):
        self.folder = folder.resolve()
        self._rules = IgnoreRules.of(self.folder, dockerfile)

    def find(self, pattern: str, line: int) -> Iterator[Found]:
        """What a source names: a file, a folder, or each match of a pattern.

        Raises
        ------
        DockerfileRefused
            When it is not there, is left out, or leads out of the folder.
        """
        wanted = posixpath.normpath("/" + pattern).lstrip("/")
        paths = sorted(self._matches(wanted))
        seen = False
        for path in paths:
            found = self._found(path, line)
            if found is not None:
                seen = True
                yield found
        if not seen:
            left_out = any(path.exists() for path in paths)
            why = "is left out by .dockerignore" if left_out else "is not in the folder"
            raise DockerfileRefused(
                line, f"{pattern} {why}", f"paths are relative to {self.folder}"
            )

    def _matches(self, wanted: str) -> Iterator[Path]:
        if not re.search(r"[*?\[]", wanted):
            if (self.folder / wanted).exists():
                yield self.folder / wanted
            return
        expression = re.compile(expression_of(wanted.replace("**", "*")))
        depth = wanted.count("/") + 1
        for path in self.folder.glob("/".join("*" * depth)):
            if expression.fullmatch(path.relative_to(self.folder).as_posix()):
                yield path

    def _found(self, path: Path, line: int) -> Found | None:
        if path.is_dir():
            files = {
                file.relative_to(path).as_posix(): file
                for file in self._walk(path, line)
                if not self._is_left_out(file)
            }
            return Found(path.name, files, is_file=False)
        if self._is_left_out(path):
            return None
        return Found(path.name, {path.name: self._inside(path, line)}, is_file=True)

    def _walk(self, folder: Path, line: int) -> Iterator[Path]:
        for entry in sorted(folder.iterdir()):
            if entry.is_dir() and not entry.is_symlink():
                yield from self._walk(entry, line)
            elif entry.is_file():
                yield self._inside(entry, line)

    def _inside(self, path: Path, line: int) -> Path:
        if path.is_symlink() and not path.resolve().is_relative_to(self.folder):
            raise DockerfileRefused(line, f"{path.name} is a link out of the folder")
        return path

    def _is_left_out(self, path: Path) -> bool:
        return self._rules.leaves_out(path.relative_to(self.folder).as_posix())


class Copier:
    """Carries out COPY and ADD. `stages` are the images of earlier stages by name and number."""

    def __init__(self, context: Context, scratch: Scratch, escape: str, notes: list[Note]):
        self._context = context
        self._scratch = scratch
        self._escape = escape
        self._notes = notes

    def copy(self, instruction: Instruction, image: Image, stages: Mapping[str, Image]) -> None:
        """Do what COPY or ADD says to `image`."""
        line = instruction.line
        unknown = {name for name, _ in instruction.flags} - FLAGS
        if unknown:
            raise DockerfileRefused(
                line, f"{instruction.keyword} --{min(unknown)} is not known here"
            )
        expansion = Expansion(image.variables, self._escape, line)
        words = [expansion.word(word) for word in instruction.exec_form or instruction.text.split()]
        if len(words) < 2:
            raise DockerfileRefused(line, f"{instruction.keyword} wants a source and a place")
        *sources, target = words
        origin = instruction.flag("from")
        if origin is not None:
            origin = expansion.word(origin)
            if INSTALLER.search(origin):
                self._notes.append(Note(line, f"uv from {origin}", "the lab's own is used"))
                return
        found = list(self._found(instruction, sources, origin, expansion, stages))
        place = image.place(target)
        into_folder = target.endswith(("/", "/.")) or target == "." or image.is_folder(place)
        if len(found) > 1 and not into_folder:
            raise DockerfileRefused(line, f"{target} must end with / to take several sources")
        mode = instruction.flag("chmod")
        if mode is not None:
            mode = expansion.word(mode)
            if not MODE.fullmatch(mode):
                raise DockerfileRefused(line, f"--chmod={mode} is no mode", "e.g. 0755 or u+x")
        for one in found:
            self._put(one, place, into_folder, image, line, mode)
        if origin is not None:
            self._take_over(stages[origin.lower()], image)

    def _found(
        self,
        instruction: Instruction,
        sources: list[str],
        origin: str | None,
        expansion: Expansion,
        stages: Mapping[str, Image],
    ) -> Iterator[Found]:
        line = instruction.line
        texts = {f"<<{one.name}": one for one in instruction.heredocs}
        for source in sources:
            bare = re.sub(r"^<<-?['\"]?(\w+)['\"]?$", r"<<\1", source)
            if bare in texts:
                one = texts[bare]
                content = expansion.word(one.text) if one.expands else one.text
                file = self._scratch.file(content.encode())
                yield Found(one.name, {one.name: file}, is_file=True)
            elif origin is not None:
                yield from _of_stage(source, origin, stages, line)
            elif re.match(r"https?://|git@|ftp://", source):
                self._skip_download(source, line)
            else:
                for found in self._context.find(source, line):
                    is_add = instruction.keyword == "ADD"
                    yield self._unpacked(found, line) if is_add else found

    def _skip_download(self, source: str, line: int) -> None:
        if not EMULATOR.search(source):
            raise DockerfileRefused(
                line,
                f"ADD {source}: nothing is downloaded here",
                "put the file into the folder and COPY it, or FACELAB_BACKEND=docker",
            )
        self._notes.append(Note(line, "aws-lambda-rie", NO_EMULATOR))

    def _unpacked(self, found: Found, line: int) -> Found:
        """What ADD makes of an archive."""
        file = next(iter(found.files.values()), None)
        if not found.is_file or file is None or not tarfile.is_tarfile(file):
            return found
        folder = self._scratch.folder()
        try:
            with tarfile.open(file) as archive:
                archive.extractall(folder, filter="data")
        except (tarfile.TarError, OSError, EOFError) as error:
            raise DockerfileRefused(line, f"{found.name} can't be unpacked: {error}") from error
        files = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*"))}
        plain = {name: path for name, path in files.items() if path.is_file()}
        return Found(found.name, plain, is_file=False)

    def _put(
        self,
        found: Found,
        place: str,
        into_folder: bool,
        image: Image,
        line: int,
        mode: str | None,
    ) -> None:
        if not found.is_file or into_folder:
            image.make_folder(place)
        for name, source in found.files.items():
            target = place if found.is_file and not into_folder else posixpath.join(place, name)
            file = source if mode is None else self._scratch.with_mode(source, executable(mode))
            image.put(target, file, line)

    def _take_over(self, stage: Image, image: Image) -> None:
        """Installed packages come along with what is copied of the stage that has them."""
        image.installs += [one for one in stage.installs if one not in image.installs]
        image.programs |= stage.programs


def _of_stage(source: str, origin: str, stages: Mapping[str, Image], line: int) -> Iterator[Found]:
    stage = stages.get(origin.lower())
    if stage is None:
        raise DockerfileRefused(
            line,
            f"COPY --from={origin}: no stage of that name, and no image can be pulled here",
            "FACELAB_BACKEND=docker takes files of any image",
        )
    # A path there is absolute, with or without its slash.
    place = "/" + posixpath.normpath(source).strip("/")
    if place in stage.files:
        yield Found(
            posixpath.basename(place), {posixpath.basename(place): stage.files[place]}, True
        )
        return
    names = stage.found(place)
    if not names and not stage.is_folder(place) and not stage.installs:
        raise DockerfileRefused(line, f"{source} is not in stage {origin}")
    below = place.rstrip("/") + "/"
    if any(name.startswith(below) for name in names) or not re.search(r"[*?\[]", place):
        files = {name[len(below) :]: stage.files[name] for name in names}
        yield Found(posixpath.basename(place), files, is_file=False)
    else:
        for name in names:
            base = posixpath.basename(name)
            yield Found(base, {base: stage.files[name]}, is_file=True)


def executable(mode: str) -> bool:
    """Whether a mode (0755, u+x) lets the owner run a file."""
    if mode.isdecimal():
        return bool(int(mode, 8) & 0o100)
    return bool(re.search(r"(?:^|,)(?=[go]*[ua]|[+=])[ugoa]*[+=][rwX]*x", mode))
