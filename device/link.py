"""The way to the cloud: open, or closed until the next try."""

from __future__ import annotations

import time
from collections.abc import Callable

from device.backoff import Backoff
from device.problems import Problem


class Link:
    """What is known of the way to the cloud. Its owner holds a lock around every call.

    A failed call closes it. From then on one call at a time may try it, after the backoff's
    wait; the first that succeeds opens it again.
    """

    def __init__(
        self, backoff: Backoff, monotonic_ns: Callable[[], int] = time.monotonic_ns
    ) -> None:
        self._backoff = backoff
        self._monotonic_ns = monotonic_ns
        self._retry_at_ns = 0
        self._probing = False
        self.failures = 0
        self.problem: Problem | None = None

    @property
    def is_closed(self) -> bool:
        return self.problem is not None

    def wait_s(self) -> float | None:
        """Seconds until a call may be tried: 0 for now, None while another one tries it."""
        if self._probing:
            return None
        if self.problem is None:
            return 0.0
        return max(0.0, (self._retry_at_ns - self._monotonic_ns()) / 1e9)

    def try_it(self) -> bool:
        """Begin a call; whether it is the one that tries a closed link."""
        self._probing = self.is_closed
        return self._probing

    def stop_trying(self) -> None:
        """The call that tried it ended without saying anything of the link."""
        self._probing = False

    def open(self) -> int | None:
        """A call succeeded. The failures before it when the link was closed, else None."""
        failures = self.failures if self.is_closed else None
        self.failures, self.problem, self._probing = 0, None, False
        return failures

    def fail(self, problem: Problem, probe: bool) -> bool:
        """A call failed; whether that is news.

        Calls that were under way when the first one failed say nothing new.
        """
        known = self.problem
        if probe or known is None:
            self.failures += 1
            wait_s = self._backoff.wait_s(self.failures)
            self._retry_at_ns = self._monotonic_ns() + round(wait_s * 1e9)
            self.problem, self._probing = problem, False
        return known is None or (probe and str(known) != str(problem))
