"""A picture of a clip: its first frame, fetched from S3 and decoded when a page shows it."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import threading
from collections import OrderedDict
from typing import Any

from botocore.exceptions import ClientError

from cloud.switch import Switch
from contract.clips import MAX_CLIP_BYTES
from scripts.paths import ROOT, import_roots

LENGTH = struct.Struct(">I")  # as frame_worker has it, whose imports are too large for here
MOST_BYTES = 64 * 2**20
MOST_FRAMES = 120
IDLE_S = 20.0


class Frames:
    """JPEG by clip id. Any thread may ask; one clip is decoded at a time."""

    def __init__(self, switch: Switch) -> None:
        self._switch = switch
        self._s3 = switch.client("s3")
        self._bucket = ""
        self._lock = threading.Lock()
        self._jpegs: OrderedDict[str, bytes] = OrderedDict()
        self._worker: subprocess.Popen[bytes] | None = None
        self._idle: threading.Timer | None = None

    def jpeg(self, clip_id: str, key: str) -> bytes:
        """Nothing when the clip is gone from the bucket, or was no clip."""
        with self._lock:
            if clip_id in self._jpegs:
                self._jpegs.move_to_end(clip_id)
                return self._jpegs[clip_id]
            data = self.clip(key)
            jpeg = self._decode(data) if data else b""
            self._jpegs[clip_id] = jpeg
            while len(self._jpegs) > MOST_FRAMES or self._size() > MOST_BYTES // 4:
                self._jpegs.popitem(last=False)
            return jpeg

    def clip(self, key: str) -> bytes:
        """A clip's bytes; nothing when it is not there, or larger than any clip."""
        try:
            answer = self._s3.get_object(Bucket=self._bucket_name(), Key=key)
        except ClientError as error:
            if error.response["Error"]["Code"] in ("NoSuchKey", "NoSuchBucket", "404"):
                return b""
            raise
        with answer["Body"] as body:
            data: bytes = body.read() if answer["ContentLength"] <= MAX_CLIP_BYTES else b""
            return data

    def forget(self) -> None:
        """Somebody was forgotten, or the lab is another one: keep no picture."""
        with self._lock:
            self._jpegs.clear()
            self._bucket = ""

    def close(self) -> None:
        with self._lock:
            if self._idle:
                self._idle.cancel()
            self._end_worker()

    def _bucket_name(self) -> str:
        self._bucket = self._bucket or self._switch.bucket
        return self._bucket

    def _size(self) -> int:
        return sum(map(len, self._jpegs.values()))

    def _decode(self, data: bytes) -> bytes:
        try:
            return self._ask(data)
        except (OSError, EOFError):  # the worker was killed: the next one has its turn
            self._end_worker()
            return b""

    def _ask(self, data: bytes) -> bytes:
        worker = self._running_worker()
        pipes: tuple[Any, Any] = (worker.stdin, worker.stdout)
        pipes[0].write(LENGTH.pack(len(data)) + data)
        pipes[0].flush()
        head = pipes[1].read(LENGTH.size)
        if len(head) < LENGTH.size:
            raise EOFError
        jpeg: bytes = pipes[1].read(LENGTH.unpack(head)[0])
        return jpeg

    def _running_worker(self) -> subprocess.Popen[bytes]:
        if self._idle:
            self._idle.cancel()
        if self._worker is None or self._worker.poll() is not None:
            self._worker = subprocess.Popen(
                [sys.executable, "-m", "scripts.dashboard.frame_worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(import_roots())},
            )
        self._idle = threading.Timer(IDLE_S, self._end_when_idle)
        self._idle.daemon = True
        self._idle.start()
        return self._worker

    def _end_when_idle(self) -> None:
        with self._lock:
            self._end_worker()

    def _end_worker(self) -> None:
        worker, self._worker = self._worker, None
        if worker is None:
            return
        if worker.stdin:
            worker.stdin.close()
        try:
            worker.wait(5)
        except subprocess.TimeoutExpired:
            worker.kill()
            worker.wait()
        if worker.stdout:
            worker.stdout.close()
