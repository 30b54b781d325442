"""Work that needs much memory, in a process of its own that ends when nobody asks any more.

The server stays small, and what breaks there breaks only that. A question and its answer are
blocks: four bytes of length, then that many bytes. An answer begins with a byte that says what
it is.
"""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any, BinaryIO

from scripts.errors import LabError
from scripts.paths import ROOT, import_roots

IDLE_S = 20.0
_LENGTH = struct.Struct(">I")
_DONE, _FAILED = b"+", b"!"


class NoAnswer(LabError):
    """The cloud did not answer the worker, or the worker was killed."""


class Worker:
    """`module` answers one question at a time, whichever thread asks; the next one waits."""

    def __init__(self, module: str) -> None:
        self._module = module
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._idle: threading.Timer | None = None

    def ask(self, question: bytes) -> bytes:
        """What it answers.

        Raises
        ------
        NoAnswer
        """
        with self._lock:
            answer = self._exchange(question)
        if answer[:1] != _DONE:
            raise NoAnswer(answer[1:].decode("utf-8", "replace"))
        return answer[1:]

    def close(self) -> None:
        with self._lock:
            if self._idle:
                self._idle.cancel()
            self._end()

    def _exchange(self, question: bytes) -> bytes:
        process = self._running()
        pipes: tuple[Any, Any] = (process.stdin, process.stdout)
        try:
            write_block(pipes[0], question)
            answer = read_block(pipes[1])
        except OSError:
            answer = None
        if answer is None:  # it was killed: the next one has its turn
            self._end()
            return _FAILED + f"{self._module} ended".encode()
        return answer

    def _running(self) -> subprocess.Popen[bytes]:
        if self._idle:
            self._idle.cancel()
        if self._process is None or self._process.poll() is not None:
            self._end()
            self._process = subprocess.Popen(
                [sys.executable, "-m", self._module],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(import_roots())},
            )
        self._idle = threading.Timer(IDLE_S, self.close)
        self._idle.daemon = True
        self._idle.start()
        return self._process

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if process.stdin:
            process.stdin.close()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout:
            process.stdout.close()


def serve(
    answer: Callable[[bytes], bytes], told: Callable[[Exception], str | None] = lambda error: None
) -> None:
    """The worker's own side: answer what comes on stdin until there is no more.

    An error that `told` has words for is told, and ends nothing.
    """
    while (question := read_block(sys.stdin.buffer)) is not None:
        try:
            block = _DONE + answer(question)
        except Exception as error:
            if (words := told(error)) is None:
                raise
            block = _FAILED + words.encode()
        try:
            write_block(sys.stdout.buffer, block)
        except BrokenPipeError:  # who asked has ended
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return


def read_block(stream: BinaryIO) -> bytes | None:
    """None at the end."""
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack(head)
    data = stream.read(length)
    return data if len(data) == length else None


def write_block(stream: BinaryIO, data: bytes) -> None:
    stream.write(_LENGTH.pack(len(data)) + data)
    stream.flush()
