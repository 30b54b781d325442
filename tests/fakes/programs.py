"""The device programs as processes, with what they say."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

ROOT = Path(__file__).resolve().parents[2]
DEADLINE_S = 60.0


class Program:
    """`python -m MODULE --json …`, cleared of this process's own settings.

    Use it as a context manager: nothing outlives a test.
    """

    def __init__(self, module: str, *arguments: object, environment: dict[str, str]) -> None:
        self._command = [sys.executable, "-m", module, "--json", *map(str, arguments)]
        host = {k: v for k, v in os.environ.items() if not k.startswith(("FACELAB_", "AWS_"))}
        self._environment = {**host, "PYTHONPATH": str(ROOT), **environment}
        self.events: list[dict] = []
        self.lines: list[str] = []  # as they came
        self.was_killed = False
        self._changed = threading.Condition()

    def __enter__(self) -> Program:
        self._process = subprocess.Popen(
            self._command,
            cwd=ROOT,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
        )
        self._readers = [
            threading.Thread(target=self._read_events, daemon=True),
            threading.Thread(target=self._read_errors, daemon=True),
        ]
        for reader in self._readers:
            reader.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()

    def of(self, event: str) -> list[dict]:
        with self._changed:
            return [line for line in self.events if line["event"] == event]

    def wait_for(self, event: str, times: int = 1, seconds: float = DEADLINE_S) -> list[dict]:
        def there() -> bool:
            return len([line for line in self.events if line["event"] == event]) >= times

        self._wait(there, seconds, f"{times} × {event}")
        return self.of(event)

    def wait_until(self, condition: Callable[[], bool], what: str) -> None:
        self._wait(condition, DEADLINE_S, what)

    def _wait(self, condition: Callable[[], bool], seconds: float, what: str) -> None:
        with self._changed:
            if not self._changed.wait_for(condition, seconds):
                tail = "\n".join(str(line) for line in self.events[-5:])
                raise AssertionError(f"no {what} within {seconds} s; last:\n{tail}\n{self.errors}")

    def kill(self) -> None:
        """kill -9"""
        if self._process.poll() is None:
            self.was_killed = True
            self._process.kill()
        self._process.wait()
        for reader in self._readers:
            reader.join()

    def interrupt(self) -> None:
        """Ctrl-C"""
        self._process.send_signal(signal.SIGINT)

    def end(self, seconds: float = DEADLINE_S) -> int:
        """The exit status, when the program ends by itself."""
        status = self._process.wait(seconds)
        for reader in self._readers:
            reader.join()
        return status

    errors = ""

    def _read_events(self) -> None:
        for line in self._process.stdout:
            if not line.endswith("\n"):
                break  # killed in the middle of a line
            with self._changed:
                self.lines.append(line)
                self.events.append(json.loads(line))
                self._changed.notify_all()

    def _read_errors(self) -> None:
        for line in self._process.stderr:
            self.errors += line
