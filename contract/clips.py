"""How a clip is named: its id, its S3 key and the metadata that travels with it."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime

PREFIX = "clips/"
SUFFIX = ".h264"
DEVICE_ID = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?")
MAX_CLIP_BYTES = 32 * 2**20  # larger ones are refused wherever they are read
MAX_KEY_BYTES = 1024  # S3's own limit: no clip's id can be longer
MAX_TIME_MS = 253_402_300_799_999  # the end of the year 9999
MAX_SEQUENCE = 2**53
_DIGITS = re.compile(r"[0-9]{1,16}")


class ContractError(ValueError):
    """Something does not follow the contract between device and cloud."""


class InvalidDeviceId(ContractError):
    """A device id that could not name a queue, or would name somebody else's."""


class InvalidClipKey(ContractError):
    """An S3 key that is not a clip of a device."""


class InvalidClipName(InvalidClipKey):
    """A key below a device's prefix whose name is no clip's; that device can be told.

    `stand_in` is the key to answer under, with the whole name for the clip's id.
    """

    def __init__(self, message: str, stand_in: ClipKey) -> None:
        super().__init__(message)
        self.stand_in = stand_in


class InvalidClipMetadata(ContractError):
    """Clip metadata that is not made of the agreed fields."""


def check_device_id(device_id: str) -> str:
    """Return `device_id` if it may name a device: 1-32 of a-z, 0-9 and inner hyphens.

    Raises
    ------
    InvalidDeviceId
        Otherwise. The id becomes part of a queue's name and of an S3 prefix.
    """
    if not DEVICE_ID.fullmatch(device_id):
        raise InvalidDeviceId(
            f"device id {device_id!r} is not usable: take 1-32 of a-z, 0-9 and '-', "
            "beginning and ending with a letter or digit (FACELAB_DEVICE_ID)"
        )
    return device_id


@dataclass(frozen=True)
class ClipKey:
    """Where a clip lies: `clips/<device_id>/<UTC date>/<clip_id>.h264`."""

    device_id: str
    date: str
    clip_id: str

    @classmethod
    def new(cls, device_id: str, captured_at_ms: int, sequence: int) -> ClipKey:
        """Key of a clip whose capture began at `captured_at_ms` (Unix ms, device clock), the
        recorder's `sequence`th since it started.

        Ids sort by capture time; the random tail keeps two devices, or one device whose
        clock was set back, from ever meeting in the same id.
        """
        moment = datetime.fromtimestamp(captured_at_ms / 1000, UTC)
        stamp = moment.strftime("%Y%m%dT%H%M%S") + f"{captured_at_ms % 1000:03d}Z"
        clip_id = f"{stamp}-{sequence:06d}-{secrets.token_hex(3)}"
        return cls(check_device_id(device_id), moment.strftime("%Y-%m-%d"), clip_id)

    @classmethod
    def parse(cls, key: str) -> ClipKey:
        """Read a key as S3 stores it (already URL-decoded).

        Writing is strict, reading is lenient: a clip that a person dropped by hand under
        a device's prefix (spaces, `+`, unicode, no date folder) is still a clip.

        Raises
        ------
        InvalidClipKey
            When the key is not below `clips/<valid device id>/`, or longer than S3 takes.
        InvalidClipName
            When it does not end in `.h264`. Every other key below a device is a clip of it,
            and is answered there.
        """
        parts = key.split("/")  # not as a path: `clips//lab` and `clips/./lab` are not `clips/lab`
        if len(parts) < 3 or f"{parts[0]}/" != PREFIX:
            raise InvalidClipKey(f"{key!r:.300} is not clips/<device>/<date>/<clip>.h264")
        if len(key.encode("utf-8", "surrogatepass")) > MAX_KEY_BYTES:
            raise InvalidClipKey(f"key of more than {MAX_KEY_BYTES} bytes: {key!r:.100}")
        if not DEVICE_ID.fullmatch(parts[1]):
            raise InvalidClipKey(f"{parts[1]!r} in {key!r:.300} is not a device id")
        device_id, folder, name = parts[1], "/".join(parts[2:-1]), parts[-1]
        if not name.endswith(SUFFIX):
            stand_in = cls(device_id, folder, name)
            raise InvalidClipName(f"{name!r:.300} is not <clip>{SUFFIX}", stand_in)
        # `clips/lab/.h264` is a file without a name, but still somebody's clip.
        return cls(device_id, folder, name.removesuffix(SUFFIX) or name)

    def __str__(self) -> str:
        folder = f"{self.date}/" if self.date else ""
        return f"{PREFIX}{self.device_id}/{folder}{self.clip_id}{SUFFIX}"


@dataclass(frozen=True)
class ClipMetadata:
    """What the device knows of a clip. Times are Unix milliseconds on the device's clock.

    The result echoes them, so latency is computed by one clock alone.
    """

    capture_start_ms: int
    capture_end_ms: int
    sequence: int

    def to_s3(self) -> dict[str, str]:
        """As S3 user metadata (`x-amz-meta-…`): lower-case names, ASCII values."""
        return {
            "capture-start-ms": str(self.capture_start_ms),
            "capture-end-ms": str(self.capture_end_ms),
            "sequence": str(self.sequence),
        }

    @classmethod
    def from_s3(cls, metadata: dict[str, str]) -> ClipMetadata | None:
        """The metadata, or None for an object that carries none (dropped by hand).

        Raises
        ------
        InvalidClipMetadata
            When only a part is there, or a value is no plain number or out of bounds
            (`MAX_TIME_MS`, `MAX_SEQUENCE`): anybody who may PUT writes these.
        """
        names = ("capture-start-ms", "capture-end-ms", "sequence")
        if not any(name in metadata for name in names):
            return None
        values = []
        for name, most in zip(names, (MAX_TIME_MS, MAX_TIME_MS, MAX_SEQUENCE), strict=True):
            text = metadata.get(name, "")
            if not _DIGITS.fullmatch(text) or int(text) > most:
                raise InvalidClipMetadata(f"clip metadata {name} is {text!r:.60}, not 0 to {most}")
            values.append(int(text))
        return cls(*values)
