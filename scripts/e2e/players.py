"""The two device programs, run as the processes that a person would start."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any

from cloud.traces import traces_folder
from contract.traces import OFF, TRACES_SETTING
from device.settings import spool_folder
from scripts.errors import LabError

STOP_SECONDS = 15


class Player:
    """A device program with `--json`; `on_event` gets each object that it prints.

    Used as a context manager, so that no program outlives the run. What it prints on stderr
    goes to ours.
    """

    def __init__(self, module: str, *arguments: str, on_event: Callable[[dict[str, Any]], None]):
        self.module = module
        self._command = [sys.executable, "-m", module, "--json", *arguments]
        self._on_event = on_event

    def __enter__(self) -> Player:
        # The run's own spool goes with it; its spans stay, for `make trace` and the dashboard.
        traces = traces_folder(spool_folder())
        self._process = subprocess.Popen(
            self._command,
            stdout=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
            env={**os.environ, TRACES_SETTING: str(traces or OFF)},
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
        self._process.wait()
        self._reader.join()

    @property
    def pid(self) -> int:
        return self._process.pid

    def _read(self) -> None:
        assert self._process.stdout  # noqa: S101  for the type checker: we asked for a pipe
        for line in self._process.stdout:
            self._on_event(json.loads(line))

    def ask_to_end(self) -> None:
        """As Ctrl-C does: a camera still sends what it has recorded."""
        self._process.terminate()

    def wait(self, seconds: float) -> None:
        """Wait for the program's own end.

        Raises
        ------
        LabError
            When it ended with an error, or is still there after `seconds`.
        """
        try:
            code = self._process.wait(seconds)
        except subprocess.TimeoutExpired as error:
            raise LabError(f"{self.module} did not end within {seconds:.0f} s") from error
        if code:
            raise LabError(
                f"{self.module} ended with exit status {code}", "what it said stands above"
            )
