"""What is different inside LocalStack and moto themselves."""

from __future__ import annotations

from collections.abc import Callable

OPERATIONS = """
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
    assert asked_of_emulators_python(OPERATIONS).split() == ["2"]


SERVICES = """
import importlib, threading
from localstack_image_functions.upstream import load_services_in_older_pythons

make_lock = threading.Lock
load_services_in_older_pythons()
assert threading.Lock is make_lock
for name in ("es", "firehose", "kinesis", "opensearch", "stepfunctions", "transcribe"):
    importlib.import_module(f"localstack.services.{name}.provider")
    print(name)
"""


def test_services_with_programs_of_their_own_load_in_every_python(
    asked_of_emulators_python: Callable[..., str],
):
    assert len(asked_of_emulators_python(SERVICES).split()) == 6


KEYS = """
import uuid
from localstack_image_functions.upstream import name_bytes_in_older_pythons

name_bytes_in_older_pythons()
assert uuid.uuid5(uuid.NAMESPACE_URL, b"name") == uuid.uuid5(uuid.NAMESPACE_URL, "name")
print(uuid.uuid5(uuid.NAMESPACE_URL, b"\\xff").version)
"""


def test_keys_of_kms_are_made_in_every_python(asked_of_emulators_python: Callable[..., str]):
    assert asked_of_emulators_python(KEYS).split() == ["5"]
