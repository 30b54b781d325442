"""Functions of the tests: deployed, invoked, deleted."""

from __future__ import annotations

import base64
import io
import json
import platform
import zipfile
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from scripts.provision.function_image import lambda_architecture
from tests.integration.docker.emulator import ImageFunctionsEmulator

HOST_ARCHITECTURE = lambda_architecture(platform.machine())
ROLE = "arn:aws:iam::000000000000:role/test"


@dataclass(frozen=True)
class Answer:
    """What an invocation came to: the decoded payload, the kind of error, the log's tail."""

    payload: Any
    error: str | None
    log: str


class Function:
    """A deployed function."""

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
    """An image function that exists for the length of a `with`."""
    image = {"PackageType": "Image", "Code": {"ImageUri": uri}}
    with _created(
        emulator, name, **{**image, "Architectures": [HOST_ARCHITECTURE], **settings}
    ) as made:
        yield made


@contextmanager
def deployed_zip(
    emulator: ImageFunctionsEmulator, name: str, files: Mapping[str, str], **settings: Any
):
    """A zip function that exists for the length of a `with`."""
    code = {"ZipFile": zip_of(files)}
    with _created(
        emulator, name, Code=code, **{"Handler": "app.handler", "Runtime": "python3.13", **settings}
    ) as made:
        yield made


def zip_of(files: Mapping[str, str]) -> bytes:
    """An archive of these files, which may be run."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = 0o100755 << 16
            archive.writestr(entry, content)
    return packed.getvalue()


@contextmanager
def _created(emulator: ImageFunctionsEmulator, name: str, **settings: Any):
    function = Function(emulator, name)
    function.lambda_.create_function(
        FunctionName=name, Role=ROLE, **{"Timeout": 20, "MemorySize": 256, **settings}
    )
    try:
        function.lambda_.get_waiter("function_active_v2").wait(
            FunctionName=name, WaiterConfig={"Delay": 1}
        )
        yield function
    finally:
        function.lambda_.delete_function(FunctionName=name)
