"""How long a search over a large gallery takes on one core."""

from __future__ import annotations

import argparse
import os

# Before numpy is imported: its linear algebra would use every core.
for _name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"

import statistics  # noqa: E402
import time  # noqa: E402

import numpy as np  # noqa: E402

from recognition import Gallery  # noqa: E402
from scripts.console import print_json, run_command  # noqa: E402


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="facelab bench-gallery", description=__doc__)
    parser.add_argument("--embeddings", type=int, default=50_000)
    parser.add_argument("--each", type=int, default=5, help="embeddings of one person")
    parser.add_argument("--searches", type=int, default=100)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    random = np.random.default_rng(0)
    owners = np.arange(options.embeddings) // options.each
    faces = random.normal(0, 0.09, (owners[-1] + 1, 128))
    embeddings = (faces[owners] + random.normal(0, 0.02, (len(owners), 128))).astype(np.float32)
    people = [f"p{owner:06d}" for owner in owners]
    gallery = Gallery.of(people, embeddings)
    gallery.distances(embeddings[0])
    times = []
    for index in range(options.searches):
        probe = embeddings[index] + random.normal(0, 0.01, 128).astype(np.float32)
        started = time.perf_counter()
        distances = gallery.distances(probe)
        times.append((time.perf_counter() - started) * 1000)
        assert gallery.people[int(distances.argmin())] == people[index]  # noqa: S101
    report = {
        "embeddings": len(gallery),
        "people": len(gallery.people),
        "median_ms": round(statistics.median(times), 2),
        "slowest_ms": round(max(times), 2),
        "fastest_ms": round(min(times), 2),
    }
    if options.json:
        print_json(report)
    else:
        print(
            f"{report['embeddings']} embeddings of {report['people']} people: median "
            f"{report['median_ms']} ms, slowest {report['slowest_ms']} ms on one core"
        )
    return 0


if __name__ == "__main__":
    run_command(main)
