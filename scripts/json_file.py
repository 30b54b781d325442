"""What a run found, kept for programs that read it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def write_json(path: Path, facts: Any) -> None:
    """Write the file, and its folder where there is none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
