"""The plan's simulation, of this lab instead of AWS, held against a soak of it."""

from __future__ import annotations

import json
import math
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from scripts.lab.limits import concurrency
from scripts.percentiles import percentiles
from scripts.plan.figures import MB_PER_CPU, NotMeasured
from scripts.plan.lab_run import LabRun
from scripts.plan.simulation import Scenario, Simulation

MOST_OFF = 0.25
CLIPS = 5000  # simulated at least, with devices that begin at other moments within a clip
QUEUES = 1000  # the lab takes events off its queue as soon as an environment is free


def check(e2e: Path, soak: Path) -> dict[str, Any]:
    """What the simulation makes of the soak's devices and pace, and what the soak measured.

    `e2e` has one device's clips and their CPU time: from these alone the soak's latency is
    foretold, on as many cores as this machine has.

    Raises
    ------
    NotMeasured
        When there is no such run, or no such soak.
    """
    run = LabRun.of(e2e)
    try:
        facts = json.loads(soak.read_text(encoding="utf-8"))
        devices, recorded = int(facts["devices"]), int(facts["recorded"])
        rate = recorded / float(facts["recording_s"]) / devices
        measured = {name: float(facts["latency_ms"][name]) for name in ("p50", "p95")}
    except (OSError, ValueError, KeyError, TypeError, ZeroDivisionError) as error:
        raise NotMeasured(
            f"{soak} holds no soak ({error})", "`make soak` measures one, after `make e2e`"
        ) from error
    scenario = Scenario(
        devices=devices,
        rate=rate,
        seconds=max(1.0, recorded / rate / devices),
        memory_mb=MB_PER_CPU,
        concurrency=concurrency(),
        through_queue=True,
        queues=QUEUES,
        warm=True,
    )
    shares = run.shares(os.cpu_count() or 1)
    latencies = [
        latency
        for seed in range(math.ceil(CLIPS / recorded))
        for latency in Simulation(replace(scenario, seed=seed), run.work(), run.transit(), shares)
        .run()
        .latencies
    ]
    foretold = percentiles(latencies) or {}
    ratios = {name: round(foretold[name] / measured[name], 2) for name in measured}
    return {
        "devices": devices,
        "clips_per_s": round(rate * devices, 2),
        "foretold_ms": {name: foretold[name] for name in measured},
        "measured_ms": measured,
        "ratios": ratios,
        "holds": all(abs(ratio - 1) <= MOST_OFF for ratio in ratios.values()),
    }
