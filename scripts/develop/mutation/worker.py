"""The process that runs tests with changes: a child of it for each job.

    python -m scripts.develop.mutation.worker JOBS [--collected] [PACKAGES] < jobs > outcomes

Reads one `Job` a line as JSON and writes one `Outcome` a line, in the order in which they end.
First ones with a number below 0 have ended before the others begin; what they load of other
people's packages is loaded here, and is in their outcomes; the file PACKAGES has it from an earlier
time, as JSON.
Without `--collected` nothing of the checkout's rooms is loaded here, so that each child loads the
file it is about. With it the tests are collected here, and a child exchanges the functions that
its change is in (`loaded.py`): a tenth of the time, where the change is in a function that no
import calls.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path

import pytest

from scripts.develop.mutation.forks import OURS, SILENT, Child, Forks, Job, RunRecorder
from scripts.develop.mutation.loaded import serve_collected


def _run(child: Child) -> int:
    """Import everything, and run the job's tests."""
    job, recorder = child.job, RunRecorder(child.job.test_limits_s)
    recorder.alive = child.alive
    status = int(pytest.main([*SILENT, *job.options, *job.tests], plugins=[recorder]))
    recorder.keep(child.folder)
    return status


def main(at_once: int, *options: str) -> None:
    jobs = [Job(**json.loads(line)) for line in sys.stdin]
    out = os.fdopen(os.dup(1), "w")
    with tempfile.TemporaryDirectory(prefix="facelab-mutate-") as scratch:
        known = [json.loads(Path(one).read_text("utf-8")) for one in options if one[0] != "-"]
        packages = known[0]["packages"] if known else []
        forks = Forks(jobs, at_once, Path(scratch), out, packages)
        if "--collected" in options:
            serve_collected(forks)
        elif (child := forks.serve()) is not None:
            status = OURS
            try:
                status = _run(child)
            finally:
                os._exit(status)
    # What could not be written is nobody's any more; the end must not try again.
    os.dup2(os.open(os.devnull, os.O_WRONLY), out.fileno())


if __name__ == "__main__":
    main(int(sys.argv[1]), *sys.argv[2:])
