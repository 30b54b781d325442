"""What a clip costs a device, worked out from runs of few and of many clips."""

from __future__ import annotations

import pytest

from scripts.bench.device_cost import FEW, PIS, Spent, instructions, measure, table
from scripts.console import Progress
from scripts.errors import LabError


def run(name: str, count: int, counted: bool) -> Spent:
    """Starts with 1,000 million instructions and 1.5 s; a clip takes 12 million and 8 ms."""
    if counted:
        return Spent((1000 + 12 * count) * 10**6, 30.0, 1.0)
    return Spent(0, 1 + 0.006 * count, 0.5 + 0.002 * count)


def test_the_start_is_no_part_of_a_clip():
    camera = measure(run, 16, Progress(quiet=True))["programs"]["camera"]
    assert camera["instructions"] == 12 * 10**6
    assert camera["start_instructions"] == 1000 * 10**6
    assert camera["here_ms"] == {"user": 6.0, "system": 2.0}


def test_a_pi_takes_the_kernels_part_too_and_a_slower_one_longer():
    ranges = measure(run, 16, Progress(quiet=True))["programs"]["messages"]["on_a_pi_ms"]
    # 12 million and a third more for the kernel, at 2.4 GHz and one or two a cycle.
    assert ranges["Raspberry Pi 5"] == [3.3, 6.7]
    lows = [ranges[pi.name][0] for pi in PIS]
    assert lows == sorted(lows)


def test_every_program_is_run_with_few_and_many_counted_and_not():
    asked = []

    def noting(name: str, count: int, counted: bool) -> Spent:
        asked.append((name, count, counted))
        return run(name, count, counted)

    measure(noting, 10, Progress(quiet=True))
    assert sorted(asked) == sorted(
        (name, count, counted)
        for name in ("camera", "messages")
        for count in (FEW, FEW + 10)
        for counted in (False, True)
    )


def test_valgrinds_count_is_read_and_its_absence_is_told():
    assert instructions("==1== \n==1== I   refs:      1,464,115,974\n") == 1464115974
    with pytest.raises(LabError, match="counted nothing"):
        instructions("valgrind: failed to start tool")


def test_what_is_estimated_is_called_so():
    said = table(measure(run, 16, Progress(quiet=True)))
    assert "camera: 12.0 million instructions a clip; here 8.0 ms" in said
    assert said.count("(estimated)") == 2 * len(PIS)
