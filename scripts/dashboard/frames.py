"""A picture of a clip: its first frame, fetched from S3 and decoded when a page shows it."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable

from botocore.exceptions import ClientError

from cloud.switch import Switch
from contract.clips import MAX_CLIP_BYTES
from scripts.cloud_errors import says_not_there

MOST_BYTES = 4 * 2**20
MOST_FRAMES = 48  # four pages full


class Frames:
    """JPEG by clip id. Any thread may ask; `decode` is `frame_worker`'s."""

    def __init__(self, switch: Switch, decode: Callable[[bytes], bytes]) -> None:
        self._switch = switch
        self._decode = decode
        self._lock = threading.Lock()
        self._jpegs: OrderedDict[str, bytes] = OrderedDict()
        self._forgotten = 0

    def jpeg(self, clip_id: str, key: str) -> bytes:
        """Nothing when the clip is gone from the bucket, or was no clip.

        Raises
        ------
        NoAnswer
        botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError
        """
        with self._lock:
            known, began = self._jpegs.get(clip_id), self._forgotten
        if known is not None:
            return known
        data = self.clip(key)
        made = self._decode(data) if data else b""
        with self._lock:
            if began == self._forgotten:  # or it may show who was forgotten meanwhile
                self._jpegs[clip_id] = made
            while len(self._jpegs) > MOST_FRAMES or self._size() > MOST_BYTES:
                self._jpegs.popitem(last=False)
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
            self._jpegs.clear()

    def _size(self) -> int:
        return sum(map(len, self._jpegs.values()))
