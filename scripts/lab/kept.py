"""What the emulator says about the state that it keeps."""

from __future__ import annotations

import json
import urllib.error
from dataclasses import dataclass, field

from cloud.switch import Switch
from scripts.lab.readiness import UNPROXIED

PATH = "/_aws/image-functions/state"


@dataclass(frozen=True)
class KeptState:
    """Whether state is kept at all, came back at the start, its size, and what is wrong with it."""

    kept: bool = False
    restored: bool = False
    size_mb: float = 0.0
    warnings: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, switch: Switch) -> KeptState:
        """What the emulator keeps; nothing where it is another's, which has no such page."""
        try:
            with UNPROXIED.open(f"{switch.endpoint_url}{PATH}", timeout=10) as answer:
                facts = json.load(answer)
        except (OSError, ValueError, urllib.error.URLError):
            return cls()
        return cls(
            kept=facts["kept"],
            restored=facts["restored"],
            size_mb=round(facts.get("bytes", 0) / 1e6, 1),
            warnings=facts["warnings"],
        )
