"""Messages that nobody understands, set aside for a person to look at."""

from __future__ import annotations

import json
import os
from collections import OrderedDict
from pathlib import Path

from device.inbox import Message
from device.private_files import open_private, write_all

FILE_NAME = "rejected-messages.jsonl"
MAX_BYTES = 16 * 1024 * 1024
REMEMBERED = 1000


class Rejects:
    """A file with one JSON object a line: `message_id`, `reason` and the raw `body`.

    A full one is kept as `*.1`, and the one before that goes: strangers can't fill the disk.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._kept: OrderedDict[str, None] = OrderedDict()

    def keep(self, message: Message, reason: str) -> bool:
        """Write a message down; False when it was written before and has only come again.

        Raises
        ------
        OSError
            When it can't be written. The message must then stay in the queue.
        """
        if message.message_id in self._kept:
            return False
        if self.path.exists() and self.path.stat().st_size > MAX_BYTES:
            self.path.replace(self.path.with_name(self.path.name + ".1"))
        line = {"message_id": message.message_id, "reason": reason, "body": message.body}
        file = open_private(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        try:
            whole = os.fstat(file).st_size
            try:
                write_all(file, json.dumps(line).encode("ascii") + b"\n")
            except OSError:
                os.ftruncate(file, whole)
                raise
        finally:
            os.close(file)
        self._kept[message.message_id] = None
        if len(self._kept) > REMEMBERED:
            self._kept.popitem(last=False)
        return True
