"""The tasks of `facelab` that need torch."""

import pytest

pytest.importorskip("torch", reason="torch is in the training environment only")

from scripts.cli.facelab import TASKS
from tests.parsers import slips_of_help, without_json


@pytest.mark.parametrize(
    "task", [task for task in TASKS if task.with_torch], ids=lambda task: task.name
)
def test_every_task_takes_json(task):
    assert without_json(task) == []
    assert slips_of_help(task) == []
