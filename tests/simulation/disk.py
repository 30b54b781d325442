"""A disk as POSIX promises it, and no more: what was not flushed may be gone after a power cut.

File contents are durable up to the last `fsync` of the file. Names (create, rename, unlink) are
durable up to the last `fsync` of a folder; of what came later, a power cut keeps some first
part, as a journal does. Folders themselves are durable at once.
"""

from __future__ import annotations

import errno
import itertools
import os
import posixpath
import random
from collections.abc import Callable
from dataclasses import dataclass, field

RESERVE = 64 * 1024 * 1024


class Inode:
    """A file's bytes: as programs see them, and as a power cut would leave them."""

    def __init__(self) -> None:
        self.number = 0
        self.data = bytearray()
        self.durable = b""
        self.mode = 0o644
        self.locked_by: object | None = None

    @property
    def is_dirty(self) -> bool:
        return self.data != self.durable


WRITES = {"create", "write", "fsync", "rename", "unlink", "mkdir", "link"}


@dataclass
class Disk:
    """The files of one host. `trouble` decides for each call whether it fails, and how."""

    chance: random.Random
    capacity: int = RESERVE + 64 * 1024 * 1024
    files: dict[str, Inode] = field(default_factory=dict)
    folders: set[str] = field(default_factory=lambda: {"/"})
    _durable: dict[str, Inode] = field(default_factory=dict)
    _journal: list[tuple[str, str, Inode | str | None]] = field(default_factory=list)
    trouble: Callable[[str, str], int] = lambda call, path: 0
    _numbers: itertools.count = field(default_factory=lambda: itertools.count(100))

    # --- calls -----------------------------------------------------------------------------

    def check(self, call: str, path: str) -> None:
        number = self.trouble(call, path)
        if number:
            raise OSError(number, os.strerror(number), path)

    def lookup(self, path: str) -> Inode:
        inode = self.files.get(path)
        if inode is None:
            if path in self.folders:
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        return inode

    def create(self, path: str, mode: int = 0o644) -> Inode:
        if posixpath.dirname(path) not in self.folders:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        self.check("create", path)
        inode = Inode()
        inode.number = next(self._numbers)
        inode.mode = mode
        self.files[path] = inode
        self._journal.append(("link", path, inode))
        return inode

    def write(self, path: str, inode: Inode, offset: int, data: bytes) -> int:
        """Write at `offset`; how many bytes were taken. A full disk takes a part, then none."""
        number = self.trouble("write", path)
        room = self.free
        if number == errno.ENOSPC and len(data) > 1 and self.chance.random() < 0.5:
            data = data[: self.chance.randrange(1, len(data))]
        elif number:
            raise OSError(number, os.strerror(number), path)
        elif room <= 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
        data = data[: max(1, room)]
        inode.data[offset : offset + len(data)] = data
        return len(data)

    def read(self, path: str, inode: Inode, offset: int, size: int | None = None) -> bytes:
        self.check("read", path)
        end = None if size is None else offset + size
        return bytes(inode.data[offset:end])

    def truncate(self, path: str, inode: Inode, size: int) -> None:
        self.check("write", path)
        del inode.data[size:]

    def fsync(self, path: str, inode: Inode) -> None:
        self.check("fsync", path)
        inode.durable = bytes(inode.data)

    def fsync_folder(self, path: str) -> None:
        self.check("fsync", path)
        for last in range(len(self._journal), 0, -1):
            kind, name, target = self._journal[last - 1]
            touched = {posixpath.dirname(name)}
            if kind == "rename":
                touched.add(posixpath.dirname(str(target)))
            if path in touched:
                self._commit(last)
                return

    def rename(self, source: str, target: str) -> None:
        inode = self.lookup(source)
        if posixpath.dirname(target) not in self.folders:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), target)
        self.check("rename", source)
        self.files[target] = inode
        if source != target:
            del self.files[source]
        self._journal.append(("rename", source, target))

    def unlink(self, path: str) -> None:
        self.lookup(path)
        self.check("unlink", path)
        del self.files[path]
        self._journal.append(("unlink", path, None))

    def mkdir(self, path: str) -> None:
        if path in self.folders or path in self.files:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path)
        if posixpath.dirname(path) not in self.folders:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        self.check("mkdir", path)
        self.folders.add(path)

    @property
    def used(self) -> int:
        return sum(len(inode.data) for inode in self.files.values())

    @property
    def free(self) -> int:
        return self.capacity - self.used

    def children(self, folder: str) -> list[str]:
        """Paths directly below `folder`, in no order that a program may rely on."""
        prefix = folder.rstrip("/") + "/"
        found = [
            path
            for path in sorted((*self.files, *self.folders))
            if path.startswith(prefix) and "/" not in path[len(prefix) :] and path != folder
        ]
        self.chance.shuffle(found)
        return found

    # --- what happens to disks -------------------------------------------------------------

    def cut_power(self) -> None:
        """Keep what is durable; of the rest, whatever chance leaves."""
        self._commit(self.chance.randrange(len(self._journal) + 1))
        self._journal.clear()
        self.files = dict(self._durable)
        for inode in {id(one): one for one in self.files.values()}.values():
            if inode.is_dirty:
                inode.data = bytearray(self._after_cut(inode))
                inode.durable = bytes(inode.data)
            inode.locked_by = None

    def _after_cut(self, inode: Inode) -> bytes:
        """What was appended may be there, in part, or as zeros; what was flushed stays."""
        grown = inode.data.startswith(inode.durable)
        pick = self.chance.random()
        if pick < 0.4:
            return inode.durable
        if grown and pick < 0.8:
            return bytes(inode.data[: self.chance.randint(len(inode.durable), len(inode.data))])
        if pick < 0.9:
            return bytes(inode.data)
        kept = inode.durable if grown else b""
        return kept + bytes(len(inode.data) - len(kept))

    def _commit(self, count: int) -> None:
        for kind, path, target in self._journal[:count]:
            if kind == "link" and isinstance(target, Inode):
                self._durable[path] = target
            elif kind == "unlink":
                self._durable.pop(path, None)
            elif kind == "rename" and isinstance(target, str) and path in self._durable:
                self._durable[target] = self._durable.pop(path)
        del self._journal[:count]
