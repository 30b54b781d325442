"""How much memory each process of the lab takes."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections import Counter

import psutil

EMULATOR, FUNCTION = "localstack", "function"
_UNITS = {"B": 1, "KIB": 1 << 10, "MIB": 1 << 20, "GIB": 1 << 30}


def processes_mb(emulator: psutil.Process) -> dict[str, int]:
    """Resident memory (MB): the emulator's, and that of each function environment.

    Environments are numbered from the oldest; what they share with each other counts for each.
    """
    found = {EMULATOR: emulator.memory_info().rss}
    functions = sorted(emulator.children(), key=lambda child: child.create_time())
    for number, function in enumerate(functions, 1):
        with contextlib.suppress(psutil.NoSuchProcess):
            tree = [function, *function.children(recursive=True)]
            found[f"{FUNCTION}-{number}"] = sum(one.memory_info().rss for one in tree)
    return {name: round(size / 1e6) for name, size in found.items()}


def containers_mb(containers: dict[str, str]) -> dict[str, int]:
    """Memory (MB) of containers by name, given the id of each; as the engine counts it."""
    if not containers:
        return {}
    done = subprocess.run(
        ["docker", "stats", "--no-stream", "--no-trunc", "--format", "json", *containers.values()],
        capture_output=True,
        text=True,
        check=False,
    )
    sizes: Counter[str] = Counter()
    for line in done.stdout.splitlines():
        with contextlib.suppress(ValueError, KeyError):
            row = json.loads(line)
            sizes[row["ID"]] = _bytes(row["MemUsage"].partition("/")[0])
    return {
        name: round(sizes[full] / 1e6)
        for name, one in containers.items()
        for full in sizes
        if full.startswith(one)
    }


def _bytes(text: str) -> int:
    """A size as Docker writes it: `84.2MiB`."""
    text = text.strip().upper()
    number = text.rstrip("BIKMG")
    return int(float(number) * _UNITS[text[len(number) :]])
