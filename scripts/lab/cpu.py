"""CPU time that processes of the lab have taken so far."""

from __future__ import annotations

import psutil

from scripts.lab.state import LabState


def spent_s(
    processes: dict[str, list[psutil.Process]], *, with_ended: bool = False
) -> dict[str, float]:
    """CPU time of processes by name; `with_ended`, of those that they had started too."""
    found = {}
    for name, ones in processes.items():
        found[name] = 0.0
        for one in ones:
            try:
                times = one.cpu_times()
            except psutil.NoSuchProcess:
                continue
            found[name] += times.user + times.system
            if with_ended:
                found[name] += times.children_user + times.children_system
    return found


def emulator_family() -> dict[str, list[psutil.Process]]:
    """The emulator and its functions, where they are processes of this machine."""
    recorded = LabState().emulator()
    process = recorded.process() if recorded else None
    if process is None:
        return {}
    return {"emulator": [process], "function": process.children(recursive=True)}
