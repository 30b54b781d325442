"""Images without a registry: a *bundle* is an image's files in a local store.

    <store>/sha256/<digest>/manifest.json   an OCI image manifest; its sha256 is the digest
                            config.json     the OCI image configuration
                            rootfs/…        the files, read-only

The manifest is what `ecr put-image` takes, so that ECR shows the digest that runs. Standard
library only.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import stat
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from localstack_image_functions.errors import BundleNotFound, InvalidBundle

MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar"
_SKIPPED = frozenset({"__pycache__"})
# Label: programs of this machine that the image's files start, separated by colons.
PROGRAMS_LABEL = "image-functions.programs"
_FILE_MODE = 0o444
_PROGRAM_MODE = 0o555


def host_architecture() -> str:
    """This machine's architecture as OCI names it: amd64 or arm64."""
    machine = platform.machine().lower()
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine)


def lambda_architecture(of_image: str) -> str:
    """The name that Lambda has for an image's architecture; of the two that it runs, x86_64 stands
    for whatever is not arm64."""
    return "arm64" if of_image == "arm64" else "x86_64"


@dataclass(frozen=True)
class ImageConfig:
    """How the image runs, as in a Dockerfile. `working_directory` is a path in the image.

    `programs` are programs of this machine that the image's own programs start; the entry point
    need not be among them.
    """

    entrypoint: tuple[str, ...]
    command: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    working_directory: str = "/var/task"
    architecture: str = field(default_factory=host_architecture)
    programs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Bundle:
    """An image in a store. `digest` is `sha256:…`; `manifest` is its JSON, byte for byte."""

    digest: str
    manifest: str
    size_bytes: int
    root: Path
    config: ImageConfig

    @property
    def architecture(self) -> str:
        """As `Architectures` of a function takes it."""
        return lambda_architecture(self.config.architecture)

    def host_path(self, path: str) -> Path:
        """Where an absolute path of the image lies on this machine."""
        return self.root / PurePosixPath(path).as_posix().lstrip("/")


def build_bundle(store: Path, files: Mapping[str, Path], config: ImageConfig) -> Bundle:
    """Put an image made of `files` into `store`.

    `files` maps a path in the image (`/var/task/handler.py`) to a file or a folder here; of
    folders, `__pycache__` is left out. The same content gives the same digest, wherever and
    whenever it is built, and costs next to nothing the second time: a file counts as
    unchanged while its size, time and inode stay. Safe to call from several processes.

    Raises
    ------
    InvalidBundle
        When a source is missing or no plain file, or two sources have one place.
    """
    sources = dict(sorted(_expand(files)))
    shortcut = store / "index" / _fingerprint(sources, config)
    if shortcut.exists():
        try:
            return load_bundle(store, shortcut.read_text())
        except BundleNotFound:
            pass  # somebody emptied the store but not its index
    layer_digest, layer_size = _layer_digest(sources)
    image_config = _image_config_json(config, layer_digest)
    manifest = _manifest_json(image_config, layer_digest, layer_size)
    digest = _sha256(manifest)
    if not _folder(store, digest).exists():
        draft = _Draft(manifest, image_config, config.working_directory)
        _write(store, digest, draft, sources)
    shortcut.parent.mkdir(parents=True, exist_ok=True)
    _write_atomically(shortcut, digest.encode())
    return load_bundle(store, digest)


def load_bundle(store: Path, digest: str) -> Bundle:
    """The bundle with that digest (`sha256:<64 hex>`).

    Raises
    ------
    BundleNotFound
        When the store has none.
    """
    folder = _folder(store, digest)
    try:
        manifest = (folder / "manifest.json").read_bytes()
        image_config = json.loads((folder / "config.json").read_bytes())
    except OSError as error:
        raise BundleNotFound(f"{digest} is not in the bundle store {store}") from error
    layers = json.loads(manifest)["layers"]
    settings = image_config["config"]
    labels = settings.get("Labels") or {}
    return Bundle(
        digest=digest,
        manifest=manifest.decode(),
        size_bytes=sum(layer["size"] for layer in layers),
        root=folder / "rootfs",
        config=ImageConfig(
            entrypoint=tuple(settings.get("Entrypoint") or ()),
            command=tuple(settings.get("Cmd") or ()),
            environment=dict(line.split("=", 1) for line in settings.get("Env") or ()),
            working_directory=settings.get("WorkingDir") or "/",
            architecture=image_config["architecture"],
            programs=tuple(filter(None, labels.get(PROGRAMS_LABEL, "").split(":"))),
        ),
    )


def _expand(files: Mapping[str, Path]) -> Iterator[tuple[str, Path]]:
    taken: dict[str, Path] = {}
    for place, source in files.items():
        path = PurePosixPath("/") / place
        if ".." in path.parts:
            raise InvalidBundle(f"{place} leaves the image: paths may not contain ..")
        for name, file in _files_below(path, Path(source)):
            if name in taken:
                raise InvalidBundle(f"{taken[name]} and {file} both go to {name}")
            taken[name] = file
            yield name, file


def _files_below(place: PurePosixPath, source: Path) -> Iterator[tuple[str, Path]]:
    if source.is_dir():
        for entry in sorted(source.iterdir()):
            if entry.name not in _SKIPPED:
                yield from _files_below(place / entry.name, entry)
    elif source.is_file():
        yield str(place), source
    else:
        raise InvalidBundle(f"{source}: no such file, wanted at {place}")


def _fingerprint(sources: Mapping[str, Path], config: ImageConfig) -> str:
    facts: list[Any] = [_config_fields(config)]
    for name, source in sources.items():
        state = source.stat()
        facts.append([name, str(source.absolute()), state.st_size, state.st_mtime_ns, state.st_ino])
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


class _HashWriter:
    """A file that only remembers the sha256 and the length of what was written."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes) -> int:
        self._hash.update(data)
        self.size += len(data)
        return len(data)

    @property
    def digest(self) -> str:
        return f"sha256:{self._hash.hexdigest()}"


def _layer_digest(sources: Mapping[str, Path]) -> tuple[str, int]:
    """Digest and size of the layer: a tar of the files with nothing of this machine in it."""
    writer = _HashWriter()
    # The default format of tarfile has changed before; PAX without extras is what it is. A stream
    # needs only write(), whatever typeshed asks of it.
    with tarfile.open(fileobj=writer, mode="w|", format=tarfile.PAX_FORMAT) as tar:  # type: ignore[call-overload]
        for name, source in sources.items():
            entry = tarfile.TarInfo(name.lstrip("/"))
            with source.open("rb") as file:
                entry.size = os.fstat(file.fileno()).st_size
                entry.mode = _mode(source)
                tar.addfile(entry, file)
    return writer.digest, writer.size


def _mode(source: Path) -> int:
    return _PROGRAM_MODE if source.stat().st_mode & stat.S_IXUSR else _FILE_MODE


def _config_fields(config: ImageConfig) -> dict[str, Any]:
    labels = {"Labels": {PROGRAMS_LABEL: ":".join(config.programs)}} if config.programs else {}
    return {
        **labels,
        "Entrypoint": list(config.entrypoint),
        "Cmd": list(config.command),
        "Env": [f"{name}={value}" for name, value in sorted(config.environment.items())],
        "WorkingDir": config.working_directory,
        "Architecture": config.architecture,
    }


def _image_config_json(config: ImageConfig, layer_digest: str) -> bytes:
    fields = _config_fields(config)
    architecture = fields.pop("Architecture")
    return _json(
        {
            "architecture": architecture,
            "os": "linux",
            "config": fields,
            "rootfs": {"type": "layers", "diff_ids": [layer_digest]},
        }
    )


def _manifest_json(image_config: bytes, layer_digest: str, layer_size: int) -> bytes:
    return _json(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": {
                "mediaType": CONFIG_TYPE,
                "digest": _sha256(image_config),
                "size": len(image_config),
            },
            "layers": [{"mediaType": LAYER_TYPE, "digest": layer_digest, "size": layer_size}],
        }
    )


def _json(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _sha256(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _folder(store: Path, digest: str) -> Path:
    algorithm, _, value = digest.partition(":")
    if algorithm != "sha256" or len(value) != 64 or not set(value) <= set("0123456789abcdef"):
        raise BundleNotFound(f"{digest!r} is not a sha256 digest")
    return store / "sha256" / value


@dataclass(frozen=True)
class _Draft:
    manifest: bytes
    image_config: bytes
    working_directory: str


def _write(store: Path, digest: str, content: _Draft, sources: Mapping[str, Path]) -> None:
    """Make the bundle beside its place and move it there: it is whole or not there."""
    folder = _folder(store, digest)
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=".draft-", dir=folder.parent))
    try:
        (draft / "manifest.json").write_bytes(content.manifest)
        (draft / "config.json").write_bytes(content.image_config)
        root = draft / "rootfs"
        # As WORKDIR does: a function starts there, with files in it or none.
        (root / content.working_directory.lstrip("/")).mkdir(parents=True, exist_ok=True)
        for name, source in sources.items():
            target = root / name.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            # Copied, not linked: a link would change with its source, and turn it read-only.
            shutil.copyfile(source, target)
            target.chmod(_mode(source))
        for directory, _, _ in os.walk(root, topdown=False):
            Path(directory).chmod(0o555)
        draft.chmod(0o755)
        try:
            draft.rename(folder)
        except OSError:
            if not folder.exists():
                raise
    finally:
        if draft.exists():
            remove_tree(draft)


def remove_tree(folder: Path) -> None:
    """Remove a folder whose content is read-only."""
    for directory, _, _ in os.walk(folder):
        Path(directory).chmod(0o755)
    shutil.rmtree(folder)


def _write_atomically(target: Path, data: bytes) -> None:
    handle, name = tempfile.mkstemp(dir=target.parent)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
    Path(name).replace(target)
