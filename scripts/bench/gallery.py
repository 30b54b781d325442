"""How long a search over a large gallery takes on one core."""

from __future__ import annotations

import os

# Before numpy is imported: its linear algebra would use every core.
for _name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"

import statistics  # noqa: E402
import time  # noqa: E402
from typing import Any  # noqa: E402

import numpy as np  # noqa: E402

from recognition import Gallery  # noqa: E402


def measure(count: int, each: int, searches: int) -> dict[str, Any]:
    """Milliseconds of a search among `count` embeddings, `each` of them of one person."""
    random = np.random.default_rng(0)
    owners = np.arange(count) // each
    faces = random.normal(0, 0.09, (owners[-1] + 1, 128))
    embeddings = (faces[owners] + random.normal(0, 0.02, (len(owners), 128))).astype(np.float32)
    people = [f"p{owner:06d}" for owner in owners]
    gallery = Gallery.of(people, embeddings)
    gallery.distances(embeddings[0])
    times = []
    for index in range(searches):
        probe = embeddings[index] + random.normal(0, 0.01, 128).astype(np.float32)
        started = time.perf_counter()
        distances = gallery.distances(probe)
        times.append((time.perf_counter() - started) * 1000)
        assert gallery.people[int(distances.argmin())] == people[index]  # noqa: S101
    return {
        "embeddings": len(gallery),
        "people": len(gallery.people),
        "median_ms": round(statistics.median(times), 2),
        "slowest_ms": round(max(times), 2),
        "fastest_ms": round(min(times), 2),
    }


def in_words(facts: dict[str, Any]) -> str:
    """What was found, for a person."""
    return (
        f"{facts['embeddings']} embeddings of {facts['people']} people: median "
        f"{facts['median_ms']} ms, slowest {facts['slowest_ms']} ms on one core"
    )
