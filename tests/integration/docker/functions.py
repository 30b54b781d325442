"""Functions of the tests: deployed, invoked, deleted."""

from __future__ import annotations

import base64
import json
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.integration.docker.emulator import ImageFunctionsEmulator

ROLE = "arn:aws:iam::000000000000:role/test"


@dataclass(frozen=True)
class Answer:
    """What an invocation came to: the decoded payload, the kind of error, the log's tail."""

    payload: Any
    error: str | None
    log: str


class Function:
    """A deployed image function."""

    def __init__(self, emulator: ImageFunctionsEmulator, name: str) -> None:
        self.emulator = emulator
        self.name = name
        self.lambda_ = emulator.client("lambda")

    def invoke(self, do: str = "echo", **event: Any) -> Answer:
        answer = self.lambda_.invoke(
            FunctionName=self.name, Payload=json.dumps({"do": do, **event}), LogType="Tail"
        )
        return Answer(
            json.load(answer["Payload"]),
            answer.get("FunctionError"),
            base64.b64decode(answer.get("LogResult", "")).decode(errors="replace"),
        )

    def containers(self) -> list[Any]:
        return self.emulator.function_containers(self.name)

    def update(self, **configuration: Any) -> None:
        self.lambda_.update_function_configuration(FunctionName=self.name, **configuration)
        self.lambda_.get_waiter("function_updated_v2").wait(
            FunctionName=self.name, WaiterConfig={"Delay": 1}
        )

    def update_code(self, uri: str) -> None:
        self.lambda_.update_function_code(FunctionName=self.name, ImageUri=uri)
        self.lambda_.get_waiter("function_updated_v2").wait(
            FunctionName=self.name, WaiterConfig={"Delay": 1}
        )


@contextmanager
def deployed(emulator: ImageFunctionsEmulator, name: str, uri: str, **settings: Any):
    """A function that exists for the length of a `with`."""
    function = Function(emulator, name)
    function.lambda_.create_function(
        FunctionName=name,
        PackageType="Image",
        Code={"ImageUri": uri},
        Role=ROLE,
        **{"Timeout": 20, "MemorySize": 256, **settings},
    )
    try:
        function.lambda_.get_waiter("function_active_v2").wait(
            FunctionName=name, WaiterConfig={"Delay": 1}
        )
        yield function
    finally:
        function.lambda_.delete_function(FunctionName=name)
