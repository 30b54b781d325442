"""What moto need not do anew in each call."""

from __future__ import annotations

from collections.abc import Callable

PROGRAM = """
import inspect
from localstack_image_functions.upstream import look_for_operations_once
from moto.core import responses
from moto.dynamodb.responses import DynamoHandler
from moto.logs.responses import LogsResponse

look_for_operations_once()
looked = []
original = inspect.getmembers
inspect.getmembers = lambda found, *given, **named: (
    looked.append(found) or original(found, *given, **named)
)
for _ in range(3):
    assert "get_item" in responses.method_names_from_class(DynamoHandler)
    assert "put_log_events" in responses.method_names_from_class(LogsResponse)
print(len(looked))
"""


def test_a_class_is_looked_through_for_its_operations_once(
    asked_of_emulators_python: Callable[..., str],
):
    assert asked_of_emulators_python(PROGRAM).split() == ["2"]
