"""A picture of a clip: its first frame, fetched from S3 and decoded when a page shows it."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable

from botocore.exceptions import ClientError

from cloud.switch import Switch
from contract.clips import MAX_CLIP_BYTES
from scripts.cloud_errors import says_not_there
from scripts.dashboard.picture import FULL, FramePicture

MOST_BYTES = 4 * 2**20
MOST_FRAMES = 48  # four pages full


class Frames:
    """Pictures by clip id. Any thread may ask; `decode` is `frame_worker`'s."""

    def __init__(self, switch: Switch, decode: Callable[[bytes], bytes]) -> None:
        self._switch = switch
        self._decode = decode
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[str, bytes], FramePicture | None] = OrderedDict()
        self._forgotten = 0

    def picture(self, clip_id: str, key: str, size: bytes = FULL) -> FramePicture | None:
        """None when the clip is gone from the bucket, or was no clip.

        Raises
        ------
        NoAnswer
        botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError
        """
        place = (clip_id, size)
        with self._lock:
            began = self._forgotten
            if place in self._kept:
                return self._kept[place]
        data = self.clip(key)
        made = FramePicture.from_bytes(self._decode(size + data)) if data else None
        with self._lock:
            if began == self._forgotten:  # or it may show who was forgotten meanwhile
                self._kept[place] = made
            while len(self._kept) > MOST_FRAMES or self._size() > MOST_BYTES:
                self._kept.popitem(last=False)
        return made

    def clip(self, key: str) -> bytes:
        """A clip's bytes; nothing when it is not there, or larger than any clip.

        Raises
        ------
        botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError
        """
        try:
            answer = self._switch.client("s3").get_object(Bucket=self._switch.bucket, Key=key)
        except ClientError as error:
            if says_not_there(error):
                return b""
            raise
        with answer["Body"] as body:
            data: bytes = body.read() if answer["ContentLength"] <= MAX_CLIP_BYTES else b""
            return data

    def forget(self) -> None:
        """Somebody was forgotten, or the lab is another one: keep no picture."""
        with self._lock:
            self._forgotten += 1
            self._kept.clear()

    def _size(self) -> int:
        return sum(len(one.jpeg) for one in self._kept.values() if one)
