"""`open`, `os`, `pathlib`, `shutil` and `fcntl` over the simulated disk of the calling process.

What production code does not use is not here; using it raises AttributeError and ends the
history, so nothing ever reaches the real disk.
"""

from __future__ import annotations

import errno
import fnmatch
import os as real_os
import pathlib as real_pathlib
import posixpath
import types
from collections.abc import Iterator
from typing import Any

from tests.simulation.disk import Disk, Inode
from tests.simulation.scheduler import Killed, current, step

CWD = "/home/pi"


def _disk() -> Disk:
    return step().process.host.disk


def _absolute(path: Any) -> str:
    text = real_os.fspath(path)
    return posixpath.normpath(text if text.startswith("/") else posixpath.join(CWD, text))


class Descriptor:
    """An open file of a process. `abandon` is what the system does when the process ends."""

    def __init__(self, path: str, inode: Inode | None, flags: int) -> None:
        self.path, self.inode, self.flags = path, inode, flags
        self.offset = 0
        process = current().process
        self.number = 3
        while self.number in process.files:
            self.number += 1
        process.files[self.number] = self
        self.process = process

    def abandon(self) -> None:
        if self.inode is not None and self.inode.locked_by is self:
            self.inode.locked_by = None

    def close(self) -> None:
        if self.process.files.pop(self.number, None) is not None:
            self.abandon()


def _open_descriptor(path: Any, flags: int, mode: int = 0o777) -> Descriptor:
    disk, name = _disk(), _absolute(path)
    if name in disk.folders:
        if flags & (real_os.O_WRONLY | real_os.O_RDWR):
            raise IsADirectoryError(errno.EISDIR, real_os.strerror(errno.EISDIR), name)
        disk.check("open", name)
        return Descriptor(name, None, flags)
    inode = disk.files.get(name)
    if inode is not None and flags & real_os.O_EXCL and flags & real_os.O_CREAT:
        raise FileExistsError(errno.EEXIST, real_os.strerror(errno.EEXIST), name)
    if inode is None:
        inode = disk.create(name, mode) if flags & real_os.O_CREAT else disk.lookup(name)
    else:
        disk.check("open", name)
        if flags & real_os.O_TRUNC:
            disk.truncate(name, inode, 0)
    return Descriptor(name, inode, flags)


class File:
    """What `open` returns: buffered, so that what was not flushed dies with the process."""

    def __init__(self, descriptor: Descriptor, mode: str, encoding: str, newline: Any = None):
        self._file = descriptor
        self._text = "b" not in mode
        self._encoding = encoding
        self._buffer = b""
        self.name, self.mode, self.closed = descriptor.path, mode, False

    def _inode(self) -> Inode:
        if self.closed:
            raise ValueError("I/O operation on closed file.")
        assert self._file.inode is not None
        return self._file.inode

    def fileno(self) -> int:
        return self._file.number

    def isatty(self) -> bool:
        return False

    def write(self, data: Any) -> int:
        self._inode()
        self._buffer += data.encode(self._encoding) if self._text else bytes(data)
        if len(self._buffer) > 8192:
            self.flush()
        return len(data)

    def flush(self) -> None:
        """Hand over to the system. After a failure the rest stays, as in CPython."""
        inode = self._inode()
        while self._buffer:
            disk = _disk()
            if self._file.flags & real_os.O_APPEND:
                self._file.offset = len(inode.data)
            taken = disk.write(self.name, inode, self._file.offset, self._buffer)
            self._file.offset += taken
            self._buffer = self._buffer[taken:]

    def read(self, size: int = -1) -> Any:
        inode = self._inode()
        data = _disk().read(self.name, inode, self._file.offset, None if size < 0 else size)
        self._file.offset += len(data)
        return data.decode(self._encoding) if self._text else data

    def readline(self) -> Any:
        inode = self._inode()
        rest = _disk().read(self.name, inode, self._file.offset)
        line = rest[: rest.find(b"\n") + 1] or rest
        self._file.offset += len(line)
        return line.decode(self._encoding) if self._text else line

    def __iter__(self) -> Iterator[Any]:
        while line := self.readline():
            yield line

    def seek(self, offset: int, whence: int = 0) -> int:
        self.flush()
        base = {0: 0, 1: self._file.offset, 2: len(self._inode().data)}[whence]
        self._file.offset = base + offset
        return self._file.offset

    def tell(self) -> int:
        return self._file.offset + len(self._buffer)

    def truncate(self, size: int | None = None) -> int:
        self.flush()
        size = self._file.offset if size is None else size
        _disk().truncate(self.name, self._inode(), size)
        return size

    def close(self) -> None:
        if not self.closed:
            try:
                self.flush()
            finally:
                self.closed = True
                self._file.close()

    def __enter__(self) -> File:
        return self

    def __exit__(self, kind: Any, *_: object) -> None:
        if kind is None or not issubclass(kind, Killed):
            self.close()


def open_file(
    path: Any,
    mode: str = "r",
    buffering: int = -1,
    encoding: str | None = None,
    errors: str | None = None,
    newline: str | None = None,
    opener: Any = None,
) -> File:
    flags = {"r": real_os.O_RDONLY, "w": real_os.O_WRONLY | real_os.O_CREAT | real_os.O_TRUNC}
    flags["a"] = real_os.O_WRONLY | real_os.O_CREAT | real_os.O_APPEND
    flags["x"] = real_os.O_WRONLY | real_os.O_CREAT | real_os.O_EXCL
    chosen = flags[mode.strip("bt+U")]
    if "+" in mode:
        chosen = chosen & ~real_os.O_WRONLY | real_os.O_RDWR
    if isinstance(path, int):
        descriptor = current().process.files[path]
    elif opener is not None:
        descriptor = current().process.files[opener(path, chosen)]
    else:
        descriptor = _open_descriptor(path, chosen, 0o666)
    if descriptor.inode is None:
        raise IsADirectoryError(errno.EISDIR, real_os.strerror(errno.EISDIR), descriptor.path)
    return File(descriptor, mode, encoding or "utf-8", newline)


class Path(real_pathlib.PurePosixPath):
    """`pathlib.Path` on the simulated disk."""

    def open(self, mode: str = "r", *args: Any, **kwargs: Any) -> File:
        return open_file(self, mode, *args, **kwargs)

    def read_bytes(self) -> bytes:
        with self.open("rb") as file:
            return file.read()

    def read_text(self, encoding: str | None = None, errors: str | None = None) -> str:
        return self.read_bytes().decode(encoding or "utf-8", errors or "strict")

    def write_bytes(self, data: bytes) -> int:
        with self.open("wb") as file:
            return file.write(data)

    def write_text(self, text: str, encoding: str | None = None, *_: Any, **__: Any) -> int:
        return self.write_bytes(text.encode(encoding or "utf-8"))

    def exists(self) -> bool:
        disk, path = _disk(), _absolute(self)
        return path in disk.files or path in disk.folders

    def is_file(self) -> bool:
        return _absolute(self) in _disk().files

    def is_dir(self) -> bool:
        return _absolute(self) in _disk().folders

    def stat(self) -> Any:
        return os.stat(self)

    def mkdir(self, mode: int = 0o777, parents: bool = False, exist_ok: bool = False) -> None:
        os.mkdir(self, mode, parents=parents, exist_ok=exist_ok)

    def unlink(self, missing_ok: bool = False) -> None:
        try:
            _disk().unlink(_absolute(self))
        except FileNotFoundError:
            if not missing_ok:
                raise

    def rename(self, target: Any) -> Path:
        _disk().rename(_absolute(self), _absolute(target))
        return Path(target)

    replace = rename

    def touch(self, mode: int = 0o666, exist_ok: bool = True) -> None:
        os.close(os.open(self, real_os.O_WRONLY | real_os.O_CREAT, mode))

    def chmod(self, mode: int) -> None:
        os.chmod(self, mode)

    def iterdir(self) -> Iterator[Path]:
        return iter([Path(path) for path in _listing(self)])

    def glob(self, pattern: str) -> Iterator[Path]:
        names = [Path(path) for path in _listing(self)]
        return iter([path for path in names if fnmatch.fnmatchcase(path.name, pattern)])

    def rglob(self, pattern: str) -> Iterator[Path]:
        disk, prefix = _disk(), _absolute(self) + "/"
        found = [path for path in disk.files if path.startswith(prefix)]
        return iter([Path(p) for p in found if fnmatch.fnmatchcase(posixpath.basename(p), pattern)])

    def resolve(self, strict: bool = False) -> Path:
        return Path(_absolute(self))

    absolute = resolve

    def expanduser(self) -> Path:
        return self


def _listing(path: Any) -> list[str]:
    disk, name = _disk(), _absolute(path)
    if name not in disk.folders:
        return []
    disk.check("read", name)
    return disk.children(name)


class _Os(types.ModuleType):
    """The calls of `os` that production code makes."""

    def __init__(self) -> None:
        super().__init__("os")
        flags = {name: flag for name, flag in vars(real_os).items() if name.startswith("O_")}
        self.__dict__.update(flags)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"the simulated os has no {name!r}")

    fspath, strerror, sep, path, error = (
        staticmethod(real_os.fspath),
        staticmethod(real_os.strerror),
        real_os.sep,
        posixpath,
        OSError,
    )

    @property
    def environ(self) -> dict[str, str]:
        return current().process.environment

    def getenv(self, name: str, default: str | None = None) -> str | None:
        return self.environ.get(name, default)

    def open(self, path: Any, flags: int, mode: int = 0o777, **_: Any) -> int:
        return _open_descriptor(path, flags, mode).number

    def close(self, number: int) -> None:
        step()
        self._descriptor(number).close()

    def _descriptor(self, number: int) -> Descriptor:
        descriptor = current().process.files.get(number)
        if descriptor is None:
            raise OSError(errno.EBADF, real_os.strerror(errno.EBADF))
        return descriptor

    def write(self, number: int, data: bytes) -> int:
        file = self._descriptor(number)
        assert file.inode is not None
        disk = _disk()
        if file.flags & real_os.O_APPEND:
            file.offset = len(file.inode.data)
        taken = disk.write(file.path, file.inode, file.offset, bytes(data))
        file.offset += taken
        return taken

    def read(self, number: int, size: int) -> bytes:
        file = self._descriptor(number)
        assert file.inode is not None
        data = _disk().read(file.path, file.inode, file.offset, size)
        file.offset += len(data)
        return data

    def ftruncate(self, number: int, size: int) -> None:
        file = self._descriptor(number)
        assert file.inode is not None
        _disk().truncate(file.path, file.inode, size)

    def fdopen(self, number: int, mode: str = "r", *_: Any, **kwargs: Any) -> File:
        return open_file(number, mode, encoding=kwargs.get("encoding"))

    def fsync(self, number: Any) -> None:
        number = number if isinstance(number, int) else number.fileno()
        file, disk = self._descriptor(number), _disk()
        if file.inode is None:
            disk.fsync_folder(file.path)
        else:
            disk.fsync(file.path, file.inode)

    fdatasync = fsync

    def fstat(self, number: int) -> Any:
        step()
        file = self._descriptor(number)
        return _stat(file.inode)

    def stat(self, path: Any, **_: Any) -> Any:
        disk, name = _disk(), _absolute(path)
        disk.check("stat", name)
        return _stat(None if name in disk.folders else disk.lookup(name))

    lstat = stat

    def mkdir(
        self, path: Any, mode: int = 0o777, parents: bool = False, exist_ok: bool = False
    ) -> None:
        disk, name = _disk(), _absolute(path)
        if parents and posixpath.dirname(name) not in disk.folders:
            self.mkdir(posixpath.dirname(name), parents=True, exist_ok=True)
        try:
            disk.mkdir(name)
        except FileExistsError:
            if not exist_ok or name not in disk.folders:
                raise

    def makedirs(self, path: Any, mode: int = 0o777, exist_ok: bool = False) -> None:
        self.mkdir(path, mode, parents=True, exist_ok=exist_ok)

    def replace(self, source: Any, target: Any) -> None:
        _disk().rename(_absolute(source), _absolute(target))

    rename = replace

    def unlink(self, path: Any) -> None:
        _disk().unlink(_absolute(path))

    remove = unlink

    def listdir(self, path: Any = ".") -> list[str]:
        return [posixpath.basename(name) for name in _listing(path)]

    def chmod(self, path: Any, mode: int) -> None:
        disk, name = _disk(), _absolute(path)
        if name not in disk.folders:
            disk.lookup(name).mode = mode

    def fchmod(self, number: int, mode: int) -> None:
        inode = self._descriptor(number).inode
        if inode is not None:
            inode.mode = mode

    def umask(self, mask: int) -> int:
        return 0o022

    def getpid(self) -> int:
        return 1

    def getcwd(self) -> str:
        return CWD

    def getuid(self) -> int:
        return 1000

    def _exit(self, status: int) -> None:
        process = current().process
        process.status = status
        process.end()
        raise Killed


def _stat(inode: Inode | None) -> Any:
    size = len(inode.data) if inode is not None else 4096
    number = inode.number if inode is not None else 2
    mode = inode.mode | 0o100000 if inode is not None else 0o40755
    return types.SimpleNamespace(
        st_ino=number, st_size=size, st_mode=mode, st_mtime=0.0, st_mtime_ns=0, st_nlink=1, st_dev=1
    )


os = _Os()


def _flock(file: Any, operation: int) -> None:
    descriptor = os._descriptor(file if isinstance(file, int) else file.fileno())
    step()
    inode = descriptor.inode
    assert inode is not None
    if operation & fcntl.LOCK_UN:
        descriptor.abandon()
    elif inode.locked_by not in (None, descriptor):
        raise BlockingIOError(errno.EAGAIN, real_os.strerror(errno.EAGAIN))
    else:
        inode.locked_by = descriptor


def _module(name: str, **members: Any) -> Any:
    module = types.ModuleType(name)
    module.__dict__.update(members)
    return module


def _disk_usage(path: Any) -> Any:
    disk = _disk()
    disk.check("stat", _absolute(path))
    return types.SimpleNamespace(total=disk.capacity, used=disk.used, free=max(0, disk.free))


fcntl = _module("fcntl", flock=_flock, LOCK_EX=2, LOCK_NB=4, LOCK_SH=1, LOCK_UN=8)
shutil = _module("shutil", disk_usage=_disk_usage, move=os.replace)
pathlib = _module(
    "pathlib",
    Path=Path,
    PurePath=real_pathlib.PurePosixPath,
    PurePosixPath=real_pathlib.PurePosixPath,
)
