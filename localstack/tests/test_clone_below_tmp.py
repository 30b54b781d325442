"""A checkout below the temporary folder: its functions have a /tmp of their own there, too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

HANDLER = """
    import os
    from pathlib import Path
    def handler(event, context):
        Path("/tmp/download").write_text("clip")
        return [Path("/tmp/download").read_text(), os.environ["LAMBDA_TASK_ROOT"]]
"""


def test_function_of_a_clone_below_tmp_writes_to_its_own_tmp(
    deployer: Any, emulator: Any, tmp_path: Path
) -> None:
    assert emulator.store.is_relative_to(tmp_path.parents[1]), "the images lie where tests do"
    deployer.create("below-tmp", HANDLER)
    assert deployer.invoke("below-tmp").payload[0] == "clip"
    assert not Path("/tmp/download").exists()  # noqa: S108  the host's own
