"""Whether a Docker engine answers here, and where."""

from __future__ import annotations

import subprocess


def engine_answers() -> bool:
    """Whether a Docker engine with Compose answers here."""
    try:
        for command in (
            ["docker", "version", "--format", "{{.Server.Version}}"],
            ["docker", "compose", "version"],
        ):
            done = subprocess.run(command, capture_output=True, check=False, timeout=10)
            if done.returncode:
                return False
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return False
    return True
