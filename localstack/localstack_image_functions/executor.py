"""LocalStack's `RuntimeExecutor` for `PackageType: Image` functions."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

from localstack.services.lambda_.invocation.lambda_models import FunctionVersion, InvocationResult
from localstack.services.lambda_.invocation.runtime_executor import RuntimeExecutor

from localstack import config
from localstack_image_functions.errors import ZipFunctionsUnavailable
from localstack_image_functions.process.backend import ProcessBackend
from localstack_image_functions.runtime.body import read_client_context
from localstack_image_functions.runtime.environment import (
    INIT_LIMIT_S,
    Event,
    ExecutionEnvironment,
    Flavor,
    FunctionLimits,
)
from localstack_image_functions.settings import Settings, read_settings

# What LocalStack's own init binary wants to know; on AWS no function sees it.
_INTERNAL_VARIABLES = (
    "LOCALSTACK_RUNTIME_ID",
    "LOCALSTACK_RUNTIME_ENDPOINT",
    "LOCALSTACK_FUNCTION_ACCOUNT_ID",
    "AWS_LAMBDA_FUNCTION_TIMEOUT",
    "LAMBDA_RUNTIME_DIR",
    "LOCALSTACK_MAX_PAYLOAD_SIZE",
    "LOCALSTACK_POST_INVOKE_WAIT_MS",
    "LOCALSTACK_INIT_LOG_LEVEL",
    "LOCALSTACK_USER",
)

shutting_down = threading.Event()
"""Set when the emulator ends: running invocations are not waited for any more."""


# What is left of the time in which LocalStack wants an environment to be ready.
TURN_S = max(1.0, config.LAMBDA_RUNTIME_ENVIRONMENT_TIMEOUT - INIT_LIMIT_S - 2)
_turns = threading.Semaphore(max(2, os.cpu_count() or 2))


@contextlib.contextmanager
def _taking_turns() -> Iterator[None]:
    """Let cold starts beyond one for each CPU wait, or they slow each other beyond Lambda's limit.

    For a while: LocalStack gives up an environment that is not ready in time.
    """
    taken = _turns.acquire(timeout=TURN_S)
    try:
        yield
    finally:
        if taken:
            _turns.release()


class Backend(Protocol):
    """What differs between functions as processes and functions as containers."""

    registry: Callable[[Any, Any], None] | None
    """What answers `/v2/…` on the gateway's port; None where nothing does."""

    @property
    def endpoint_host(self) -> str:
        """Where functions reach the emulator."""

    @property
    def runs_zips(self) -> bool:
        """Whether it runs zip functions, too; LocalStack's own executor does otherwise."""

    def is_from_function(self, environment: dict[str, Any]) -> bool:
        """Whether a function sent a request, as far as its WSGI environment tells."""

    def resolve_image(self, uri: str) -> str:
        """The digest (`sha256:…`) of the image under `uri`; raises `ImageNotFound`."""

    def architecture(self, digest: str, uri: str) -> str:
        """What the image was built for: `x86_64` or `arm64`; raises as `check_image` does."""

    def check_image(self, digest: str, uri: str) -> None:
        """Raise `BundleNotFound` or `ImageNotFound` unless the image can be run."""

    def flavor(
        self, version: FunctionVersion, environment_id: str, variables: dict[str, str]
    ) -> Flavor:
        """How to run an environment of `version` with these environment variables."""

    def check_code(self, version: FunctionVersion) -> None:
        """Make a zip function ready to run; raises `RuntimeNotFound`, `CodeTooLarge`."""

    def zip_flavor(
        self, version: FunctionVersion, environment_id: str, variables: dict[str, str]
    ) -> Flavor:
        """How to run an environment of a zip function."""

    def sweep(self) -> None:
        """Remove what an earlier emulator of the same lab left behind."""

    def prepare(self) -> None:
        """Make what functions need beside themselves; called once, at the emulator's start."""

    def leave(self) -> None:
        """Remove that again, at the emulator's end."""


def make_backend(settings: Settings) -> Backend:
    """What runs image functions by these settings: processes or containers."""
    if settings.sandbox == "process":
        return ProcessBackend(settings)
    # Needs the container engine's client library, which processes do not.
    from localstack_image_functions.container.backend import ContainerBackend

    return ContainerBackend(settings)


class ImageExecutor(RuntimeExecutor):
    """One execution environment of an image function, as LocalStack drives it."""

    backend: Backend
    client_context: str | None = None
    """Of the next invocation, which LocalStack hands over without it."""

    def __init__(self, id: str, function_version: FunctionVersion) -> None:
        super().__init__(id, function_version)
        self._environment: ExecutionEnvironment | None = None

    def start(self, env_vars: dict[str, str]) -> None:
        """Run the init phase. A failed one is the answer to the first invocation."""
        own = self.function_version.config.environment or {}
        variables = {
            name: str(value)
            for name, value in env_vars.items()
            if name in own or name not in _INTERNAL_VARIABLES
        }
        if "LAMBDA_TASK_ROOT" not in own:
            variables.pop("LAMBDA_TASK_ROOT", None)
        variables |= beside_proxies(own, self.backend.endpoint_host)
        settings = self.function_version.config
        self._environment = ExecutionEnvironment(
            FunctionLimits(
                version=self.function_version.id.qualifier,
                memory_mb=settings.memory_size,
                timeout_s=settings.timeout,
            ),
            self._flavor(variables),
        )
        with _taking_turns():
            self._environment.init()

    def _flavor(self, variables: dict[str, str]) -> Flavor:
        return self.backend.flavor(self.function_version, self.id, variables)

    def stop(self) -> None:
        """End it. A running invocation ends first, or LocalStack would run it again."""
        if self._environment is not None:
            self._environment.stop(drain=not shutting_down.is_set())

    def invoke(self, payload: dict[str, str]) -> InvocationResult:
        assert self._environment is not None  # noqa: S101  LocalStack starts it first
        event = Event(
            request_id=payload["invoke-id"],
            payload=payload["payload"].encode(),
            function_arn=payload["invoked-function-arn"],
            trace_id=payload["trace-id"],
            client_context=self.client_context,
        )
        outcome = self._environment.invoke(event)
        return InvocationResult(
            event.request_id, outcome.payload, is_error=outcome.is_error, logs=outcome.logs
        )

    def get_logs(self) -> str:
        return self._environment.take_output() if self._environment else ""

    def get_address(self) -> str:
        return self.backend.endpoint_host

    def get_endpoint_from_executor(self) -> str:
        return self.backend.endpoint_host

    def get_runtime_endpoint(self) -> str:
        return f"http://{self.backend.endpoint_host}"

    @classmethod
    def prepare_version(cls, function_version: FunctionVersion) -> None:
        """Make sure that the image is there: the function's state is Failed otherwise."""
        image = function_version.config.image
        cls.backend.check_image(f"sha256:{image.code_sha256}", image.image_uri)

    @classmethod
    def cleanup_version(cls, function_version: FunctionVersion) -> None:
        """Images stay: other versions may use them."""


class ZipExecutor(ImageExecutor):
    """One execution environment of a zip function."""

    def _flavor(self, variables: dict[str, str]) -> Flavor:
        return self.backend.zip_flavor(self.function_version, self.id, variables)

    @classmethod
    def prepare_version(cls, function_version: FunctionVersion) -> None:
        """Unpack it: the function's state is Failed without a runtime, or where it is too large."""
        cls.backend.check_code(function_version)


def beside_proxies(own: Mapping[str, str], endpoint_host: str) -> dict[str, str]:
    """Variables by which a function reaches the emulator past any proxy.

    `own` are those of the function's configuration, which may name a proxy; the system or the
    engine's client may bring one, too.
    """
    excepted = own.get("no_proxy") or own.get("NO_PROXY") or ""
    value = ",".join(filter(None, (excepted, endpoint_host)))
    return {"NO_PROXY": value, "no_proxy": value}


class ExecutorByPackageType:
    """Stands where LocalStack expects an executor class, and picks one for each function.

    Image functions are ours, and zip functions where functions are processes, or an image has
    runtimes for them; else zip functions go to LocalStack's own executor.
    """

    def __new__(cls, id: str, function_version: FunctionVersion) -> RuntimeExecutor:
        return executor_for(function_version)(id, function_version)

    @staticmethod
    def prepare_version(function_version: FunctionVersion) -> None:
        executor_for(function_version).prepare_version(function_version)

    @staticmethod
    def cleanup_version(function_version: FunctionVersion) -> None:
        executor_for(function_version).cleanup_version(function_version)

    @staticmethod
    def validate_environment() -> bool:
        """Image functions need nothing that could be missing; zip functions find out late."""
        return True


def executor_for(function_version: FunctionVersion) -> type[RuntimeExecutor]:
    """Who runs this function: ours for images, and for zip files where there is a runtime for them.

    Raises
    ------
    ZipFunctionsUnavailable
        When LocalStack's own executor can't be loaded on this Python.
    """
    if function_version.config.package_type == "Image":
        return ImageExecutor
    if ImageExecutor.backend.runs_zips:
        return ZipExecutor
    try:
        from localstack.services.lambda_.invocation.docker_runtime_executor import (
            DockerRuntimeExecutor,
        )
    except TypeError as error:  # `Lock | None` in localstack.packages.api
        raise ZipFunctionsUnavailable(
            "zip functions run in LocalStack's own Docker executor, which needs Python 3.13"
        ) from error
    return DockerRuntimeExecutor


def hand_over_client_context() -> None:
    """Let functions have what a client says of itself, which LocalStack drops on the way.

    As on AWS of synchronous invocations only.
    """
    from localstack.services.lambda_.invocation.execution_environment import ExecutionEnvironment

    original = ExecutionEnvironment.invoke

    def invoke(self: ExecutionEnvironment, invocation: Any) -> Any:
        asynchronous = invocation.invocation_type == "Event"
        told = None if asynchronous else read_client_context(invocation.client_context)
        self.runtime_executor.client_context = told
        return original(self, invocation)

    ExecutionEnvironment.invoke = invoke


def configure(environment: dict[str, str] | None = None) -> None:
    """Read the settings and choose the backend, once, before the first function."""
    ImageExecutor.backend = make_backend(
        read_settings(os.environ if environment is None else environment)
    )
