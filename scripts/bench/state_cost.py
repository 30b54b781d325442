"""What keeping state costs a clip: one lab that keeps it and one that doesn't, by turns.

Both are labs of the bench's own, up at once; clip for clip first the one, then the other, the next
time the other way round. So whatever else the machine does meets both alike.
"""

from __future__ import annotations

import os
import statistics
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from scripts.bench.lab import MeasuredLab
from scripts.bench.overhead import RoundTrips, easy_clip
from scripts.console import Progress
from scripts.errors import LabError
from scripts.percentiles import percentiles

MEMORY, DISK = "memory", "disk"
WARM_UP = 8
MOST_COLD = 4


class LabPair:
    """The two labs, warm."""

    def __init__(self, trips: dict[str, RoundTrips], clip: bytes):
        self._trips = trips
        self._clip = clip
        self._sequence = 0

    def once(self) -> dict[str, float]:
        """Milliseconds from PUT to received message in either lab, one after the other."""
        self._sequence += 1
        order = (MEMORY, DISK) if self._sequence % 2 else (DISK, MEMORY)
        return {name: self._warm(self._trips[name]) for name in order}

    def _warm(self, trips: RoundTrips) -> float:
        for _ in range(MOST_COLD):
            elapsed_ms, result = trips.once(self._clip, self._sequence)
            if not result.cold_start:
                return elapsed_ms
        raise LabError(
            "the function starts anew for each clip", "`make doctor` looks at the memory"
        )


def measure(count: int, progress: Progress) -> dict[str, Any]:
    """`count` warm clips in each of the two."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        trips = {}
        for name in (MEMORY, DISK):
            lab = MeasuredLab(folder / name, kept=name == DISK)
            stack.callback(lab.remove)
            progress(
                f"bringing up the lab that keeps its state {'on' if lab.kept else 'in'} {name}"
            )
            lab.time_ms("up")
            trips[name] = RoundTrips(lab.switch)
        pair = LabPair(trips, easy_clip())
        for _ in range(WARM_UP):
            pair.once()
        progress(f"{count} clips in each, by turns")
        rounds = [pair.once() for _ in progress.each(range(count), "clips", count)]
    return report({name: [one[name] for one in rounds] for name in (MEMORY, DISK)})


def report(found: dict[str, list[float]]) -> dict[str, Any]:
    """Percentiles of both, and of the difference of clips that were sent one after the other."""
    differences = [disk - memory for memory, disk in zip(found[MEMORY], found[DISK], strict=True)]
    return {
        "clips": len(differences),
        "round_trip_ms": {name: percentiles(values) for name, values in found.items()},
        "cost_ms": {
            # Medians of either side; and the median of the pairs, which drift does not move.
            "of_medians": round(
                statistics.median(found[DISK]) - statistics.median(found[MEMORY]), 1
            ),
            "of_pairs": round(statistics.median(differences), 1),
        },
        "cpus": os.cpu_count(),
        "load_average_1m": round(os.getloadavg()[0], 1),
    }


def in_words(facts: dict[str, Any]) -> str:
    """What was found, for a person."""
    rows = [
        f"{name:>8}  " + "  ".join(f"{key} {value:7.1f} ms" for key, value in values.items())
        for name, values in facts["round_trip_ms"].items()
    ]
    cost = f"    cost  {facts['cost_ms']['of_pairs']:+.1f} ms a clip (median of pairs)"
    return "\n".join([*rows, cost])
