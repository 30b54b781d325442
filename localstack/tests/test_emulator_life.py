"""The emulator's own end, gentle and not, and what it leaves behind."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from localstack_image_functions.process.leftovers import MARKER

Gone = Callable[[int], bool]
HANDLER = """
    import os, subprocess, time
    def handler(event, context):
        if event.get("child"):
            return subprocess.Popen(["sleep", "300"], start_new_session=True).pid
        time.sleep(event.get("seconds", 0))
        return os.getpid()
"""


@pytest.fixture
def started(own_emulator: Any, tmp_path: Path, make_deployer: Any) -> Any:
    own_emulator.start()
    return make_deployer(own_emulator)


def processes_of(lab: str) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARKER, "").startswith(f"{lab}/"):
                found.append(process)
        except psutil.Error:
            continue
    return found


def test_stop_ends_every_function_and_does_not_wait_for_long_ones(
    started: Any, own_emulator: Any, wait_until: Any
) -> None:
    started.create("f", HANDLER, Timeout=300)
    client = own_emulator.client("lambda")
    client.invoke(FunctionName="f", InvocationType="Event", Payload=b'{"seconds": 200}')
    wait_until(lambda: processes_of(own_emulator.lab))
    process = own_emulator.process
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    assert processes_of(own_emulator.lab) == []


def test_no_function_survives_kill_9_of_the_emulator(
    started: Any, own_emulator: Any, wait_until: Any, gone: Gone
) -> None:
    started.create("f", HANDLER)
    started.invoke("f", child=True)
    processes = started.processes("f")
    assert len(processes) == 2
    os.kill(own_emulator.process.pid, signal.SIGKILL)
    own_emulator.process.wait()
    wait_until(lambda: all(gone(pid) for pid in processes))
    wait_until(lambda: not processes_of(own_emulator.lab))


def test_next_start_sweeps_what_a_killed_one_left(
    own_emulator: Any, tmp_path: Path, make_deployer: Any, wait_until: Any, gone: Gone
) -> None:
    own_emulator.extra["IMAGE_FUNCTIONS_ISOLATION"] = "off"  # set apart, nothing stays
    own_emulator.start()
    started = make_deployer(own_emulator)
    started.create("f", HANDLER)
    child = started.invoke("f", child=True).payload
    own_emulator.kill()
    assert not gone(child)
    leftovers = list((own_emulator.folder / "functions").rglob("function-*"))
    assert leftovers
    own_emulator.start()
    wait_until(lambda: gone(child))
    assert not any(folder.exists() for folder in leftovers)


@pytest.mark.parametrize(
    ("user", "isolate", "refused"),
    [(0, True, True), (0, False, False), (1000, True, False), (1000, False, False)],
)
def test_functions_run_unisolated_as_root_only_where_a_setting_says_so(
    asked_of_emulators_python: Callable[..., str],
    tmp_path: Path,
    user: int,
    isolate: bool,
    refused: bool,
) -> None:
    """On a system that does not let processes set themselves apart."""
    said = asked_of_emulators_python(UNISOLATED, str(tmp_path), str(user), "yes" if isolate else "")
    assert said.strip() == ("IsolationUnavailable" if refused else "BundleNotFound")


UNISOLATED = """
import os, sys
from pathlib import Path
from localstack_image_functions.errors import ImageFunctionsError, IsolationUnavailable
from localstack_image_functions.process import backend
from localstack_image_functions.settings import Settings

def not_here():
    raise IsolationUnavailable("namespaces are forbidden")

folder, user, isolate = sys.argv[1:]
backend.isolation_here = not_here
os.geteuid = lambda: int(user)
settings = Settings("process", "x", Path(folder), Path(folder), isolate=bool(isolate))
try:
    backend.ProcessBackend(settings).check_image("sha256:" + "0" * 64, "x")
except ImageFunctionsError as error:
    if isinstance(error, IsolationUnavailable):
        assert "IMAGE_FUNCTIONS_ISOLATION=off" in str(error)
    print(type(error).__name__)
"""
