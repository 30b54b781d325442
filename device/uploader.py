"""One clip to S3, and a failure in words that a person understands."""

from __future__ import annotations

from threading import Lock
from typing import Any

from cloud.switch import Switch
from device.clock import Clock
from device.problems import Kind, Problem, problem_of
from device.spool import ClipRecord

CONTENT_TYPE = "video/h264"
CONNECT_TIMEOUT_S = 3
READ_TIMEOUT_S = 15


class S3Uploader:
    """Puts clips into the lab's bucket. Called from several threads at once.

    One client with one kept-alive connection a worker. boto3 does not retry here: the outbox
    does, for all clips together.
    """

    def __init__(self, switch: Switch, clock: Clock, workers: int) -> None:
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
        """
        with self._bucket_lock:
            if self._bucket is None:
                try:
                    self._bucket = self._switch.bucket
                except Exception as error:
                    raise self._problem(error, self._where) from error
            return self._bucket

    def __call__(self, record: ClipRecord, data: bytes) -> None:
        """Put a clip and return when S3 confirmed it with the recorder's own checksum.

        Raises
        ------
        Problem
        """
        client = self.prepare()
        bucket = self.bucket()
        metadata = record.metadata_now(self._clock)
        known = metadata.capture_end_ms > 0
        try:
            answer = client.put_object(
                Bucket=bucket,
                Key=str(record.key),
                Body=data,
                ContentType=CONTENT_TYPE,
                Metadata=metadata.to_s3() if known else {},
                ChecksumSHA256=record.sha256,
            )
        except Exception as error:
            raise self._problem(error, f"bucket {bucket}") from error
        if answer.get("ChecksumSHA256", record.sha256) != record.sha256:
            raise Problem(Kind.BUSY, f"bucket {bucket} got other bytes", "sending the clip again")

    @property
    def _where(self) -> str:
        return self._switch.endpoint_url or "AWS"

    def _problem(self, error: Exception, where: str) -> Problem:
        problem = problem_of(error, where)
        if problem.kind is Kind.CREDENTIALS:
            with self._lock:
                self._switch.renew()
                self._client = None
        return problem
