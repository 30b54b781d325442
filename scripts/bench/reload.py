"""Hot reload: how long from a saved file to an answer of the new code, in the lab that is up."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cloud.switch import Switch, read_switch
from scripts.bench.deployed import BASE_IMAGE, FUNCTIONS, deployed
from scripts.console import Progress
from scripts.errors import LabError
from scripts.paths import ROOT
from scripts.percentiles import percentiles

NAME = "facelab-bench-reload"
LIMIT_S = 60.0
POLL_S = 0.01
DOCKERFILE = f"""\
FROM {BASE_IMAGE}
COPY handler.py /var/task/saved.py
CMD ["saved.handler"]
"""


def measure(count: int, progress: Progress) -> dict[str, Any]:
    """Save `count` times; milliseconds until Invoke answers by what was saved."""
    switch, took = read_switch(), []
    with tempfile.TemporaryDirectory() as name, watched(Path(name), switch) as folder:
        client = switch.client("lambda", retries={"max_attempts": 0})
        for number in progress.each(range(1, count + 1), "saves", count):
            began = time.perf_counter()
            save(folder, number)
            while json.load(client.invoke(FunctionName=NAME)["Payload"]) != number:
                if time.perf_counter() - began > LIMIT_S:
                    raise LabError(f"what was saved is not live after {LIMIT_S:.0f} s")
                time.sleep(POLL_S)  # between polls of a condition, with a deadline
            took.append((time.perf_counter() - began) * 1000)
            progress(f"{number} of {count}: {took[-1]:.0f} ms")
    return {
        "saves": count,
        "save_to_answer_ms": percentiles(took),
        "load_average": round(os.getloadavg()[0], 1),
    }


def save(folder: Path, number: int) -> None:
    code = f"def handler(event, context):\n    return {number}\n"
    (folder / "handler.py").write_text(code)


@contextlib.contextmanager
def watched(folder: Path, switch: Switch) -> Iterator[Path]:
    """A deployed folder that `facelab functions watch` watches."""
    save(folder, 0)
    if _by_docker(switch):
        (folder / "Dockerfile").write_text(DOCKERFILE)
    with (
        deployed(NAME, folder),
        subprocess.Popen(
            [*FUNCTIONS, "watch", NAME, "--dir", str(folder)],
            cwd=ROOT,
            stderr=subprocess.PIPE,
            text=True,
        ) as process,
    ):
        try:
            if not any("watching" in line for line in process.stderr or ()):
                raise LabError("the folder could not be watched", "`make watch` says why")
            yield folder
        finally:
            process.terminate()


def _by_docker(switch: Switch) -> bool:
    """Whether the lab's own function is an image in Docker's registry."""
    from scripts.lab.backends import choose_backend
    from scripts.lab.state import LabState

    backend = choose_backend(switch, LabState(), Progress(quiet=True))
    if not backend.is_up():
        raise LabError("the lab is down", "`make up` starts it")
    return backend.name == "docker"
