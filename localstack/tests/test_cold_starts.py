"""Cold starts take turns: many at once were slower than Lambda's limit for each."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

SLOW_TO_START = """
    import time
    began = time.time()
    time.sleep(0.4)
    ended = time.time()
    def handler(event, context):
        time.sleep(2)
        return [began, ended]
"""


def test_no_more_than_one_for_each_cpu_start_at_once(deployer: Any) -> None:
    cpus = max(2, os.cpu_count() or 2)
    deployer.create("slow-to-start", SLOW_TO_START)
    with ThreadPoolExecutor(cpus + 2) as pool:
        found = list(pool.map(lambda _: deployer.invoke("slow-to-start").payload, range(cpus + 2)))
    starts = {tuple(one) for one in found}
    assert len(starts) > cpus  # they were environments of their own
    for began, _ in starts:
        assert sum(one <= began < end for one, end in starts) <= cpus
