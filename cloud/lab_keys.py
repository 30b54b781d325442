"""The lab's own key pair, for an emulator that takes signed requests only (FACELAB_KEYS)."""

from __future__ import annotations

import json
import os
import secrets
import stat
from dataclasses import asdict, dataclass, field
from pathlib import Path

from contract.clips import ContractError


class NoLabKeys(ContractError):
    """The file that FACELAB_KEYS names holds no key pair, or others may read it."""


@dataclass(frozen=True)
class LabKeys:
    """A key pair that no service but this lab's emulator knows."""

    access_key: str
    secret_key: str = field(repr=False)


def read_keys(path: Path) -> LabKeys:
    """The pair in this file.

    Raises
    ------
    NoLabKeys
        When there is no such file, it holds no pair, or it is not its owner's alone.
    """
    try:
        mode, text = stat.S_IMODE(path.stat().st_mode), path.read_bytes()
    except FileNotFoundError as error:
        raise NoLabKeys(f"FACELAB_KEYS={path}: no such file; `make up` makes it") from error
    except OSError as error:
        raise NoLabKeys(f"FACELAB_KEYS={path}: {error.strerror}") from error
    if mode & 0o077:
        raise NoLabKeys(f"FACELAB_KEYS={path}: others may read it; chmod 600 {path}")
    try:
        return LabKeys(**json.loads(text))
    except (ValueError, TypeError) as error:
        raise NoLabKeys(
            f"FACELAB_KEYS={path} holds no key pair; delete it, and `make up` makes a new one"
        ) from error


def ensure_keys(path: Path) -> LabKeys:
    """The pair in this file, made at random when there is none. Nobody else may read it.

    Raises
    ------
    NoLabKeys
        When what is there is no key pair.
    """
    if not path.exists():
        keys = LabKeys(f"FACELAB{secrets.token_hex(6).upper()}", secrets.token_urlsafe(30))
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write(json.dumps(asdict(keys)))
    return read_keys(path)
