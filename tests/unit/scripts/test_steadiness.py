"""Whether a long run is steady: growth is seen, noise is not taken for it."""

from __future__ import annotations

import dataclasses
import random

import pytest

from scripts.e2e.steadiness import Sample, Sampler, judge, three_moments
from scripts.lab.memory import FUNCTION, ProcessFacts, ProcessNames, memory_mb

RATE = 8.0


def steady(count: int = 64) -> list[Sample]:
    """A run whose figures go up and down by a few percent, warm after its first quarter."""
    chance = random.Random(1)  # noqa: S311  no secret
    found = []
    for number in range(count):
        warming = min(1.0, 0.5 + number / count * 2)
        found.append(
            Sample(
                at_s=number * 5.0,
                recorded=number * 40,
                answered=number * 40 - chance.randint(2, 12),
                latency_p50_ms=250 * chance.uniform(0.8, 1.3),
                memory_mb={
                    "localstack": round(300 * warming * chance.uniform(0.98, 1.02)),
                    "function-1": round(180 * chance.uniform(0.98, 1.02)),
                },
                descriptors={"localstack": 90 + chance.randint(0, 9)},
                spooled=chance.randint(0, 9),
                results_waiting=chance.randint(0, 3),
                dead_letters=0,
                state_mb=100.0,
            )
        )
    return found


def changed(samples: list[Sample], **make) -> list[Sample]:
    """Each field as `make` computes it from the sample's number and its value."""
    return [
        dataclasses.replace(
            one, **{name: how(number, getattr(one, name)) for name, how in make.items()}
        )
        for number, one in enumerate(samples)
    ]


def test_a_steady_run_has_no_faults_whatever_its_noise():
    steadiness = judge(steady(), RATE)
    assert steadiness.judged
    assert steadiness.faults == []
    assert abs(steadiness.growth["localstack"]) < 0.05


@pytest.mark.parametrize(
    ("field", "how", "said"),
    [
        ("memory_mb", lambda n, was: was | {"function-1": 180 + 2 * n}, "function-1 grows"),
        ("memory_mb", lambda n, was: was | {"localstack": 200 + 4 * n}, "localstack grows"),
        ("descriptors", lambda n, _: {"localstack": 80 + 3 * n}, "localstack opens more"),
        ("answered", lambda n, _: n * 30, "falls behind"),
        ("latency_p50_ms", lambda n, _: 200.0 if n < 48 else 1500.0, "slower"),
        ("spooled", lambda n, _: 10 * n, "spools fill"),
    ],
)
def test_each_kind_of_growth_is_seen(field, how, said):
    (fault,) = judge(changed(steady(), **{field: how}), RATE).faults
    assert said in fault


def test_a_short_run_is_not_judged():
    assert not judge(steady(10), RATE).judged


def test_an_environment_that_came_late_has_not_grown():
    def late(number: int, was: dict[str, int]) -> dict[str, int]:
        return was | ({"function-2": 180} if number > 60 else {})

    steadiness = judge(changed(steady(), memory_mb=late), RATE)
    assert steadiness.faults == []
    assert "function-2" not in steadiness.growth


def test_memory_has_three_moments():
    samples = changed(steady(9), memory_mb=lambda n, _: {"localstack": n})
    assert three_moments(samples) == {"localstack": {"start": 0, "middle": 4, "end": 8}}


def test_a_process_keeps_its_name_when_an_older_one_ends():
    names = ProcessNames()
    first, second = (ProcessFacts(one, FUNCTION, 100) for one in ("1@1", "2@2"))
    assert [names.of(first), names.of(second)] == ["function-1", "function-2"]
    assert names.of(second) == "function-2"
    assert memory_mb([second]) == {"function-1": 100}


def test_a_look_that_fails_fails_the_run():
    looks = iter(steady(2))

    def look() -> Sample:
        return next(looks)  # and StopIteration from the third on

    with pytest.raises(StopIteration), Sampler(look, 0.01) as sampler:
        sampler._thread.join(10)
