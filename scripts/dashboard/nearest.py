"""Who is most like whom: asked of the gallery beside the pages, which never wait for it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from scripts.dashboard.around import Fresh
from scripts.errors import LabError

Facts = dict[str, dict[str, Any]]


class NearestPeople:
    """`gallery` tells one gallery from the next, and is empty where there is none; `compare` takes
    seconds. `on_change` is called, from a thread of its own, when a page can show more than before.
    """

    def __init__(
        self,
        gallery: Callable[[], str],
        compare: Callable[[], Facts],
        on_change: Callable[[], object] = lambda: None,
    ) -> None:
        self._gallery = Fresh(gallery)
        self._compare = compare
        self._on_change = on_change
        self._asking = threading.Lock()
        self._waiting = threading.Lock()
        self._found: tuple[str, Facts] | None = None
        self.problem = ""

    @property
    def known(self) -> Facts | None:
        """What was found last, by person; None before that."""
        return self._found[1] if self._found else None

    def ask(self) -> Facts:
        """What is so now: compared again only when there is another gallery.

        Raises
        ------
        LabError
            As `gallery` and `compare` do.
        """
        with self._asking:
            etag = self._gallery()
            if self._found is None or self._found[0] != etag:
                self._found = (etag, self._compare() if etag else {})
            return self._found[1]

    def ask_soon(self) -> None:
        """As `ask`, beside whoever calls. One waits at a time: it sees what the next would."""
        if self._waiting.acquire(blocking=False):
            threading.Thread(target=self._ask_beside, name="nearest", daemon=True).start()

    def expire(self) -> None:
        """Somebody was enrolled: there is another gallery."""
        self._gallery.expire()

    def _ask_beside(self) -> None:
        before = self._found, self.problem
        try:
            self.ask()
            self.problem = ""
        except LabError as error:
            self.problem = str(error)
        finally:
            self._waiting.release()
        if (self._found, self.problem) != before:
            self._on_change()
