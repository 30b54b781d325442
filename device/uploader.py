"""One clip to S3, and a failure in words that a person understands."""

from __future__ import annotations

import hashlib
from threading import Lock
from typing import Any

from cloud.switch import Switch
from contract.traces import ClipTrace
from device.clip_record import ClipRecord
from device.clock import Clock
from device.problems import Kind, Problem, problem_of, strange_answer

CONTENT_TYPE = "video/h264"
CONNECT_TIMEOUT_S = 3
READ_TIMEOUT_S = 15


class S3Uploader:
    """Puts clips into the lab's bucket, each with its trace where clips have one. Called from
    several threads at once.

    One client with one kept-alive connection a worker. boto3 does not retry here: the outbox
    does, for all clips together.
    """

    def __init__(
        self, switch: Switch, clock: Clock, workers: int, *, is_traced: bool = True
    ) -> None:
        self._is_traced = is_traced
        self._switch = switch
        self._clock = clock
        self._workers = workers
        self._lock = Lock()
        self._client: Any = None
        self._bucket_lock = Lock()
        self._bucket: str | None = None

    def prepare(self) -> Any:
        """Import boto3 and make the S3 client; needs no network.

        Raises
        ------
        Problem
            When boto3 or its settings give no client.
        """
        with self._lock:
            if self._client is None:
                try:
                    self._client = self._switch.client(
                        "s3",
                        connect_timeout=CONNECT_TIMEOUT_S,
                        read_timeout=READ_TIMEOUT_S,
                        max_pool_connections=self._workers,
                        tcp_keepalive=True,
                        retries={"mode": "standard", "total_max_attempts": 1},
                    )
                except Exception as error:
                    raise problem_of(error, self._where) from error
            return self._client

    def bucket(self) -> str:
        """The bucket's name; the first time this asks the cloud for the account.

        Raises
        ------
        Problem
            When the account can't be asked for: network, credentials, rights.
        """
        with self._bucket_lock:
            if self._bucket is None:
                try:
                    self._bucket = self._switch.bucket
                except Exception as error:
                    problem = self._problem(error, self._where)
                    if problem.kind is Kind.REFUSED:  # not of a clip: no clip was sent
                        problem = strange_answer(self._where)
                    raise problem from error
            return self._bucket

    def __call__(self, record: ClipRecord, data: bytes) -> None:
        """Put a clip and return when S3 confirmed it with the recorder's own checksum.

        Raises
        ------
        Problem
            `refused` only when S3 itself will not have this object. An answer without the
            clip's checksum or ETag is not S3's, whatever its status says.
        """
        client = self.prepare()
        bucket = self.bucket()
        try:
            answer = client.put_object(
                Bucket=bucket,
                Key=str(record.key),
                Body=data,
                ContentType=CONTENT_TYPE,
                Metadata=self._metadata(record),
                ChecksumSHA256=record.sha256,
            )
        except Exception as error:
            raise self._problem(error, f"bucket {bucket}") from error
        if not _confirms(answer, record, data):
            raise strange_answer(f"bucket {bucket}")

    def _metadata(self, record: ClipRecord) -> dict[str, str]:
        known = record.metadata_now(self._clock)
        times = known.to_s3() if known.capture_end_ms > 0 else {}
        if not self._is_traced:
            return times
        return times | ClipTrace.of(record.key.device_id, record.clip_id).to_s3()

    @property
    def _where(self) -> str:
        return self._switch.endpoint_url or "AWS"

    def _problem(self, error: Exception, where: str) -> Problem:
        problem = problem_of(error, where)
        if problem.kind in (Kind.CREDENTIALS, Kind.DENIED):
            with self._lock:
                self._switch.renew()
                self._client = None
        return problem


def _confirms(answer: dict[str, Any], record: ClipRecord, data: bytes) -> bool:
    """Whether an answer to a PUT shows that S3 has these bytes."""
    checksum = answer.get("ChecksumSHA256")
    if checksum is not None:
        return checksum == record.sha256
    etag = str(answer.get("ETag", "")).strip('"')
    return etag == hashlib.md5(data, usedforsecurity=False).hexdigest()
