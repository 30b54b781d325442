"""How far LocalStack is: what it says of its init hook."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from pathlib import Path

# A proxy of the environment or the system knows nothing of this machine's loopback.
UNPROXIED = urllib.request.build_opener(urllib.request.ProxyHandler({}))


# A hook that runs ends by itself, and each of its steps has a limit of its own: pushing an image on
# a busy machine takes minutes without a word.
RUNNING_HOOK_SECONDS = 1800.0


def patience_s(states: list[str], quiet_s: float) -> float:
    """How long silence is borne: `quiet_s`, but longer while the init hook runs."""
    return RUNNING_HOOK_SECONDS if "RUNNING" in states else quiet_s


def hook_states(port: int) -> list[str]:
    """States of the scripts in ready.d (RUNNING, SUCCESSFUL, ERROR); [] while nothing answers."""
    url = f"http://127.0.0.1:{port}/_localstack/init/ready"
    try:
        with UNPROXIED.open(url, timeout=2) as answer:
            return [script["state"] for script in json.load(answer)["scripts"]]
    except (OSError, ValueError, KeyError, urllib.error.URLError):
        return []


def why_the_hook_failed(said: str, emulator_log: str) -> str:
    """What the hook said last; what LocalStack says of it when it could not even begin."""
    lines = said.strip().splitlines()
    if not lines:
        lines = [line for line in emulator_log.splitlines() if "init" in line or "Error" in line]
    return "\n".join(lines[-8:]) or "neither the hook nor LocalStack says why"


def text_of(log: Path) -> str:
    """What a log says so far; nothing while there is none."""
    return log.read_text(errors="replace") if log.exists() else ""
