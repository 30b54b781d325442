"""What the device knows of a clip beside its bytes, in memory and in the spool's side file."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import asdict, dataclass

from contract.clips import ClipKey, ClipMetadata
from contract.decoding import decode
from device.clock import STEP_MS, Clock


def digest_of(data: bytes) -> str:
    """SHA-256 as S3 writes it: base64."""
    return base64.b64encode(hashlib.sha256(data).digest()).decode("ascii")


@dataclass(frozen=True)
class ClipRecord:
    """A recorded clip's key, metadata, size and checksum.

    `boot_id` and `captured_ns` (the end of capture on that boot's monotonic clock) let
    capture times be put right when the wall clock was wrong while recording.
    """

    key: ClipKey
    metadata: ClipMetadata
    size_bytes: int
    sha256: str
    boot_id: str = ""
    captured_ns: int = 0

    @classmethod
    def of(
        cls,
        key: ClipKey,
        metadata: ClipMetadata,
        data: bytes,
        boot_id: str = "",
        captured_ns: int = 0,
    ) -> ClipRecord:
        return cls(key, metadata, len(data), digest_of(data), boot_id, captured_ns)

    @property
    def clip_id(self) -> str:
        return self.key.clip_id

    def metadata_now(self, clock: Clock) -> ClipMetadata:
        """The metadata, with capture times moved if the wall clock was set since capture."""
        if not self.boot_id or self.boot_id != clock.boot_id():
            return self.metadata
        (end_ms,) = clock.unix_ms(self.captured_ns)
        step_ms = end_ms - self.metadata.capture_end_ms
        if abs(step_ms) < STEP_MS:
            return self.metadata
        return ClipMetadata(
            self.metadata.capture_start_ms + step_ms, end_ms, self.metadata.sequence
        )

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> ClipRecord:
        """What `to_json` wrote.

        Raises
        ------
        MalformedDocument
            When a crash or somebody's hand left anything else.
        """
        return decode(cls, text)
