"""States as each format wrote them, kept for later versions to load: `state-1.zip` and on.

    python -m localstack.tests.kinds.state_fixture      from the repository's root

Made anew only when the format changes (then under the new format's number, beside the old one).
It holds what does not go by itself in time, and neither images nor anything secret.
"""

from __future__ import annotations

import json
import tempfile
import time
import zipfile
from pathlib import Path
from typing import Any

from localstack.tests.kinds import compute, data, services  # noqa: F401  each registers its own
from localstack.tests.kinds.world import KINDS, World
from localstack_image_functions.state.database_file import FORMAT

FIXTURES = {number: Path(__file__).with_name(f"state-{number}.zip") for number in (1, FORMAT)}
FIXTURE = FIXTURES[FORMAT]
NOTED = "noted.json"
LASTING = (
    "s3-objects", "s3-bucket-settings", "dynamodb-table-settings", "ecr", "lambda-settings",
    "cloudformation", "iam", "logs", "cloudwatch-alarms", "sns", "events-bus-and-pattern",
)  # fmt: skip
CHECKED = tuple(name for name in LASTING if name != "logs")
"""Events of logs go with their retention; that their rows can be read is seen all the same."""
MESSAGE_ROWS = ("sqs-in-flight", "sqs-delayed", "sqs-fifo")


def pack(state: Path, noted: dict[str, Any], fixture: Path = FIXTURE) -> None:
    """Put a state folder, of an emulator that has ended, into one small file."""
    with zipfile.ZipFile(fixture, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        archive.writestr(NOTED, json.dumps(noted))
        archive.write(state / "state.db", "state.db")
        for path in sorted((state / "objects").rglob("*")):
            if path.is_file():
                archive.write(path, str(path.relative_to(state)))


def unpack(state: Path, fixture: Path = FIXTURE) -> dict[str, Any]:
    """Make a state folder of it; what was noted."""
    with zipfile.ZipFile(fixture) as archive:
        archive.extractall(state)
    noted = state / NOTED
    found: dict[str, Any] = json.loads(noted.read_text())
    noted.unlink()
    return found


def main() -> None:
    from localstack.tests.conftest import Deployer, Emulator

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        emulator = Emulator(folder / "emulator", "state-fixture", folder / "cache")
        emulator.extra["IMAGE_FUNCTIONS_STATE"] = str(folder / "state")
        (folder / "cache").mkdir()
        emulator.start()
        try:
            # The fixture must name no path of the machine that it was made on.
            deployer = Deployer(
                emulator, folder, "kinds", ("/usr/bin/python3", "-m", "awslambdaric")
            )
            world = World(emulator, deployer, {})
            for kind in (*LASTING, *MESSAGE_ROWS):
                KINDS[kind][0](world)
            time.sleep(1.5)  # what is kept within a second
            emulator.stop()
        finally:
            emulator.kill()
        pack(folder / "state", world.noted)
    print(f"{FIXTURE.name}: {FIXTURE.stat().st_size} bytes")


if __name__ == "__main__":
    main()
