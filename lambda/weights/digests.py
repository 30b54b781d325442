"""The committed digests: which files we convert, and what must come out."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

COMMITTED = Path(__file__).with_name("digests.json")


@dataclass(frozen=True)
class Digests:
    """SHA-256 by file name."""

    sources: dict[str, str]
    artifacts: dict[str, str]

    @classmethod
    def committed(cls) -> Digests:
        return cls(**json.loads(COMMITTED.read_text()))

    def to_json(self) -> str:
        fields = {"sources": self.sources, "artifacts": self.artifacts}
        return json.dumps(fields, indent=2, sort_keys=True)

    def are_met_by(self, folder: Path) -> bool:
        """Whether every artifact lies in `folder`, unchanged."""
        return all(
            (folder / name).is_file() and sha256((folder / name).read_bytes()) == digest
            for name, digest in self.artifacts.items()
        )


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
