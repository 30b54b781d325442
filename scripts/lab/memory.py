"""How much memory each process of the lab takes, and how many files it has open."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import psutil

EMULATOR, FUNCTION = "localstack", "function"
_UNITS = {"B": 1, "KIB": 1 << 10, "MIB": 1 << 20, "GIB": 1 << 30}


@dataclass(frozen=True)
class ProcessFacts:
    """One process or container of the lab; `key` tells it from a later one in its place."""

    key: str
    kind: str
    memory_mb: int
    descriptors: int | None = None


class ProcessNames:
    """`localstack`, `function-1`, `function-2`, …: each process keeps the name it got first."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._functions = 0

    def of(self, process: ProcessFacts) -> str:
        if process.key not in self._names:
            self._functions += process.kind == FUNCTION
            number = f"-{self._functions}" if process.kind == FUNCTION else ""
            self._names[process.key] = process.kind + number
        return self._names[process.key]


def memory_mb(processes: Iterable[ProcessFacts]) -> dict[str, int]:
    """Memory by name, environments numbered from the oldest."""
    names = ProcessNames()
    return {names.of(one): one.memory_mb for one in processes}


def emulator_processes(emulator: psutil.Process) -> list[ProcessFacts]:
    """The emulator (resident memory), then each function environment, oldest first.

    What environments share with each other counts for each.
    """
    functions = sorted(emulator.children(), key=lambda child: child.create_time())
    found = []
    for kind, one, family in (
        (EMULATOR, emulator, []),
        *((FUNCTION, child, child.children(recursive=True)) for child in functions),
    ):
        with contextlib.suppress(psutil.NoSuchProcess):
            tree = [one, *family]
            found.append(
                ProcessFacts(
                    f"{one.pid}@{one.create_time()}",
                    kind,
                    round(sum(each.memory_info().rss for each in tree) / 1e6),
                    sum(each.num_fds() for each in tree),
                )
            )
    return found


def container_processes(emulator: str | None, functions: list[str]) -> list[ProcessFacts]:
    """The same of containers, by their ids; memory as the engine counts it."""
    containers = [*([emulator] if emulator else []), *functions]
    if not containers:
        return []
    done = subprocess.run(
        ["docker", "stats", "--no-stream", "--no-trunc", "--format", "json", *containers],
        capture_output=True,
        text=True,
        check=False,
    )
    sizes: Counter[str] = Counter()
    for line in done.stdout.splitlines():
        with contextlib.suppress(ValueError, KeyError):
            row = json.loads(line)
            sizes[row["ID"]] = _bytes(row["MemUsage"].partition("/")[0])
    return [
        ProcessFacts(full, EMULATOR if one == emulator else FUNCTION, round(sizes[full] / 1e6))
        for one in containers
        for full in sizes
        if full.startswith(one)
    ]


def _bytes(text: str) -> int:
    """A size as Docker writes it: `84.2MiB`."""
    text = text.strip().upper()
    number = text.rstrip("BIKMG")
    return int(float(number) * _UNITS[text[len(number) :]])
