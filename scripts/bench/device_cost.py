"""What a clip costs the device, here and on a Raspberry Pi: `camera` and `messages` in the lab.

Valgrind counts the instructions of each program once with few clips and once with many; what more
clips took, divided by them, is a clip's. From it and a Pi's clock follows its time there, with what
its core does in a cycle assumed (`PIS`), since there is no Pi here. Two things carry over as they
are: a program takes about as many instructions on Arm as on x86 (Blem, Menon, Sankaralingam, "Power
Struggles", HPCA 2013), and the kernel's part is in proportion to the program's own.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cloud.switch import Switch, read_switch
from scripts.console import Progress
from scripts.errors import LabError
from scripts.functions.backends import running

PROGRAMS = {"camera": "device.camera", "messages": "device.messages"}
FEW = 4
COUNTING = (
    *("valgrind", "--tool=cachegrind", "--cache-sim=no"),
    "--cachegrind-out-file=/dev/null",
)


@dataclass(frozen=True)
class Pi:
    """A board: its core, its clock in GHz, and instructions a cycle, from slow to fast."""

    name: str
    core: str
    ghz: float
    per_cycle: tuple[float, float]


# Clocks: as the boards' product pages have them. Instructions a cycle: our assumption for an
# interpreter, whose branches and loads miss often; not measured.
PIS = (
    Pi("Raspberry Pi 5", "Cortex-A76", 2.4, (1.0, 2.0)),
    Pi("Raspberry Pi 4 B", "Cortex-A72", 1.8, (0.6, 1.2)),
    Pi("Raspberry Pi 3 B+", "Cortex-A53", 1.4, (0.3, 0.7)),
    Pi("Raspberry Pi Zero 2 W", "Cortex-A53", 1.0, (0.3, 0.7)),
)


@dataclass(frozen=True)
class Spent:
    """What one run of a program took: instructions (0 where nobody counted), seconds of a core."""

    instructions: int = 0
    user_s: float = 0.0
    system_s: float = 0.0


Run = Callable[[str, int, bool], Spent]
"""Runs a program for so many clips, counted or not."""


def measure(run: Run, clips: int, progress: Progress) -> dict[str, Any]:
    """Each program's cost of a clip, from runs of 4 clips and of 4 and `clips` more."""
    facts: dict[str, Any] = {}
    with progress.bar("runs", 4 * len(PROGRAMS)) as step:
        for name in PROGRAMS:
            taken = {}
            for counted in (False, True):
                for count in (FEW, FEW + clips):
                    taken[counted, count] = run(name, count, counted)
                    step(1)
            facts[name] = _of_a_clip(taken, clips)
    return {
        "clips": clips,
        "programs": facts,
        "load_average": round(os.getloadavg()[0], 1),
    }


def _of_a_clip(taken: dict[tuple[bool, int], Spent], clips: int) -> dict[str, Any]:
    few, many = taken[False, FEW], taken[False, FEW + clips]
    user_ms = (many.user_s - few.user_s) / clips * 1000
    system_ms = (many.system_s - few.system_s) / clips * 1000
    counted = taken[True, FEW + clips].instructions - taken[True, FEW].instructions
    instructions = counted / clips
    with_kernel = (user_ms + system_ms) / user_ms if user_ms > 0 else 1.0
    return {
        "instructions": round(instructions),
        "start_instructions": round(taken[True, FEW].instructions - FEW * instructions),
        "here_ms": {"user": round(user_ms, 1), "system": round(system_ms, 1)},
        "on_a_pi_ms": {
            pi.name: [round(one, 1) for one in _range_ms(pi, instructions * with_kernel)]
            for pi in PIS
        },
    }


def _range_ms(pi: Pi, instructions: float) -> tuple[float, float]:
    """From the fast end of what is assumed to the slow one, in milliseconds."""
    slow, fast = pi.per_cycle
    return instructions / (pi.ghz * 1e6 * fast), instructions / (pi.ghz * 1e6 * slow)


class InTheLab:
    """Runs one program as a person would, with the other beside it."""

    def __init__(self, switch: Switch) -> None:
        self._device = switch.device_id

    def __call__(self, name: str, count: int, counted: bool) -> Spent:
        """Run `name` for `count` clips.

        Raises
        ------
        LabError
            When a program fails or does not end.
        """
        with tempfile.TemporaryDirectory() as folder:
            (other,) = set(PROGRAMS) - {name}
            beside = subprocess.Popen(
                self._command(other, count, folder),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            try:
                return self._spent(name, count, counted, folder)
            finally:
                beside.terminate()
                beside.wait()

    def _spent(self, name: str, count: int, counted: bool, folder: str) -> Spent:
        said = Path(folder) / "said"
        command = [*(COUNTING if counted else ()), *self._command(name, count, folder)]
        with said.open("w") as errors:
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=errors)
            # Of this one process alone, so not by `resource`, which adds all children up.
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        text = said.read_text(errors="replace")
        if process.returncode:
            raise LabError(f"{name} ended with {process.returncode}:\n{text[-500:]}")
        return Spent(instructions(text) if counted else 0, usage.ru_utime, usage.ru_stime)

    def _command(self, name: str, count: int, folder: str) -> list[str]:
        module = [sys.executable, "-m", PROGRAMS[name], "--json", "--device", self._device]
        idle = ["--idle-timeout", "120"] if name == "messages" else []
        return [*module, "--count", str(count), "--spool", folder, *idle]


def measure_in_the_lab(clips: int, progress: Progress) -> dict[str, Any]:
    """Each program's cost of a clip in the lab that is up.

    Raises
    ------
    LabError
        When Valgrind is not here, or the lab is down.
    """
    if shutil.which(COUNTING[0]) is None:
        raise LabError("Valgrind, which counts instructions, is not here", "apt install valgrind")
    return measure(InTheLab(running(read_switch(), progress)), clips, progress)


def instructions(said: str) -> int:
    """The count in what Valgrind says at its end (`I   refs:      1,464,115,974`).

    Raises
    ------
    LabError
        When there is none.
    """
    found = re.search(r"I\s+refs:\s+([\d,]+)", said)
    if found is None:
        raise LabError(f"Valgrind counted nothing:\n{said[-500:]}")
    return int(found[1].replace(",", ""))


def table(facts: dict[str, Any]) -> str:
    """What was found, for a person."""
    lines = []
    for name, one in facts["programs"].items():
        here = one["here_ms"]
        lines.append(
            f"{name}: {one['instructions'] / 1e6:.1f} million instructions a clip; "
            f"here {here['user'] + here['system']:.1f} ms of a core"
        )
        lines += [
            f"  {pi}: about {low:.0f} to {high:.0f} ms (estimated)"
            for pi, (low, high) in one["on_a_pi_ms"].items()
        ]
    return "\n".join(lines)
