"""`make simulate SEEDS=n`: that many histories on all cores, and out/simulation.json.

A seed that fails is told with the command that plays exactly that history again.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import resource
import sys
import time
from collections import Counter
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path

from scripts.console import Progress
from scripts.develop.commit import commit
from scripts.paths import ROOT
from tests.simulation.history import Outcome, Plan, run
from tests.simulation.realm import loaded

BATCH = 50
MOST_TOLD = 20
PROGRESS_S = 15.0


def main() -> int:
    if os.environ.get("PYTHONHASHSEED") != "0":
        # Sets of strings have another order in each process otherwise: no seed would replay.
        os.execve(  # noqa: S606
            sys.executable,
            [sys.executable, "-m", "tests.simulation", *sys.argv[1:]],
            {**os.environ, "PYTHONHASHSEED": "0"},
        )
    options = _parser().parse_args()
    if options.trace:
        return _show(options.first)
    began, cpu_began = time.monotonic(), _cpu_s()
    totals, told = Totals(), began
    batches = _batches(options)
    first = list(islice(batches, 1))  # the pool is forked before a bar has its thread
    with Progress().bar("histories", options.seeds) as step:
        for outcomes in chain(first, batches):
            totals.add(outcomes)
            step(len(outcomes))
            now = time.monotonic()
            if now - told > PROGRESS_S:
                told = now
                print(totals.line(options.seeds, now - began), file=sys.stderr)
            if options.seconds and now - began > options.seconds:
                break
    facts = totals.facts(time.monotonic() - began, _cpu_s() - cpu_began)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(facts, indent=2) + "\n")
    print(
        f"{facts['seeds']} histories, {facts['clips']} clips, {sum(facts['faults'].values())} "
        f"faults, {facts['simulated_h']} simulated hours in {facts['wall_s']} s: "
        f"{len(facts['violations'])} violations"
    )
    for violation in facts["violations"][:MOST_TOLD]:
        print(f"seed {violation['seed']}: {violation['what']}")
        print(f"  again: make simulate ARGS='--first {violation['seed']} --trace'")
    return 1 if facts["violations"] else 0


class Totals:
    """What the histories were, in sum."""

    def __init__(self) -> None:
        self.seeds = self.clips = self.steps = 0
        self.simulated_s = 0.0
        self.faults: Counter[str] = Counter()
        self.violations: list[dict] = []

    def add(self, outcomes: list[Outcome]) -> None:
        for outcome in outcomes:
            self.seeds += 1
            self.clips += outcome.clips
            self.steps += outcome.steps
            self.simulated_s += outcome.simulated_s
            self.faults.update(outcome.faults)
            self.violations += [
                {"seed": outcome.plan.seed, "what": text} for text in outcome.violations
            ]

    def line(self, of: int, wall_s: float) -> str:
        return (
            f"{self.seeds} of {of} histories in {wall_s:.0f} s, {len(self.violations)} violations"
        )

    def facts(self, wall_s: float, cpu_s: float) -> dict:
        hours = self.simulated_s / 3600
        return {
            "seeds": self.seeds,
            "clips": self.clips,
            "steps": self.steps,
            "faults": dict(self.faults.most_common()),
            "violations": self.violations,
            "simulated_h": round(hours, 1),
            "simulated_h_per_wall_min": round(hours / (wall_s / 60), 1),
            "wall_s": round(wall_s, 1),
            "cpu_s": round(cpu_s, 1),
            "seeds_per_cpu_s": round(self.seeds / cpu_s, 1),
            "commit": commit(),
        }


def _batches(options: argparse.Namespace) -> Iterator[list[Outcome]]:
    starts = range(options.first, options.first + options.seeds, BATCH)
    ranges = [(at, min(at + BATCH, options.first + options.seeds)) for at in starts]
    if options.jobs == 1:
        yield from map(_play, ranges)
        return
    with multiprocessing.get_context("fork").Pool(options.jobs) as pool:
        yield from pool.imap_unordered(_play, ranges)


_realm = None


def _play(seeds: tuple[int, int]) -> list[Outcome]:
    global _realm
    _realm = _realm or loaded()
    return [run(_realm, Plan.of(seed)) for seed in range(*seeds)]


def _show(seed: int) -> int:
    outcome = run(loaded(), Plan.of(seed), trace=True)
    print("\n".join(outcome.trace or ()))
    print(f"seed {seed}: faults {sorted(outcome.plan.faults)}")
    for violation in outcome.violations:
        print(f"violation {violation}")
    return 1 if outcome.violations else 0


def _cpu_s() -> float:
    """What this process and its workers used: other work on the machine does not count."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in used)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000, metavar="N")
    parser.add_argument("--first", type=int, default=0, metavar="SEED")
    parser.add_argument("--seconds", type=float, metavar="S", help="stop after S seconds")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), metavar="N")
    parser.add_argument("--trace", action="store_true", help="play --first only, with each step")
    parser.add_argument("--out", type=Path, default=ROOT / "out" / "simulation.json")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
