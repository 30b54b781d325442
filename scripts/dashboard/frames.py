"""A picture of a clip: its first frame, fetched from S3 and decoded when a page shows it."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable

MOST_BYTES = 4 * 2**20
MOST_FRAMES = 48  # four pages full


class Frames:
    """JPEG by clip id. Any thread may ask; `ask` is `frame_worker`'s."""

    def __init__(self, ask: Callable[[bytes], bytes]) -> None:
        self._ask = ask
        self._lock = threading.Lock()
        self._jpegs: OrderedDict[str, bytes] = OrderedDict()

    def jpeg(self, clip_id: str, key: str) -> bytes:
        """Nothing when the clip is gone from the bucket, or was no clip.

        Raises
        ------
        NoAnswer
        """
        with self._lock:
            if clip_id not in self._jpegs:
                self._jpegs[clip_id] = self._ask(f"frame {key}".encode())
            self._jpegs.move_to_end(clip_id)
            jpeg = self._jpegs[clip_id]
            while len(self._jpegs) > MOST_FRAMES or self._size() > MOST_BYTES:
                self._jpegs.popitem(last=False)
            return jpeg

    def clip(self, key: str) -> bytes:
        """A clip's bytes; nothing when it is not there, or larger than any clip.

        Raises
        ------
        NoAnswer
        """
        return self._ask(f"clip {key}".encode())

    def forget(self) -> None:
        """Somebody was forgotten, or the lab is another one: keep no picture."""
        with self._lock:
            self._jpegs.clear()

    def _size(self) -> int:
        return sum(map(len, self._jpegs.values()))
