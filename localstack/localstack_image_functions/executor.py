"""LocalStack's `RuntimeExecutor` for `PackageType: Image` functions."""

from __future__ import annotations

import logging
import os
import shutil
import threading
from pathlib import Path, PurePosixPath
from typing import Protocol

from localstack.services.lambda_.invocation.lambda_models import FunctionVersion, InvocationResult
from localstack.services.lambda_.invocation.runtime_executor import RuntimeExecutor

from localstack import config
from localstack_image_functions.bundle import Bundle, load_bundle
from localstack_image_functions.environment import (
    Event,
    ExecutionEnvironment,
    Flavour,
    FunctionLimits,
)
from localstack_image_functions.errors import InvalidSetting, ZipFunctionsUnavailable
from localstack_image_functions.images import resolve_image
from localstack_image_functions.process_sandbox import (
    ProcessFlavour,
    ProcessSettings,
    isolation_available,
    kill_marked,
)
from localstack_image_functions.settings import Settings, read_settings

LOG = logging.getLogger(__name__)

DEFAULT_EPHEMERAL_MB = 512
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


class Backend(Protocol):
    """What differs between functions as processes and functions as containers."""

    endpoint_host: str
    """Where functions reach the emulator."""

    def resolve_image(self, uri: str) -> str:
        """The digest (`sha256:…`) of the image under `uri`; raises `ImageNotFound`."""

    def check_image(self, digest: str, uri: str) -> None:
        """Raise `BundleNotFound` or `ImageNotFound` unless the image can be run."""

    def flavour(
        self, version: FunctionVersion, environment_id: str, variables: dict[str, str]
    ) -> Flavour:
        """How to run an environment of `version` with these environment variables."""

    def sweep(self) -> None:
        """Remove what an earlier emulator of the same lab left behind."""


def make_backend(settings: Settings) -> Backend:
    if settings.sandbox == "process":
        return ProcessBackend(settings)
    # Needs the container engine's client library, which processes do not.
    from localstack_image_functions.container_backend import ContainerBackend

    return ContainerBackend(settings)


class ProcessBackend:
    """Image functions as processes, from the bundle store."""

    endpoint_host = "127.0.0.1"

    def __init__(self, settings: Settings) -> None:
        if settings.store is None:
            raise InvalidSetting("IMAGE_FUNCTIONS_STORE is not set: where are the bundles?")
        self._store = settings.store
        self._lab = settings.lab
        root = settings.temporary_root or Path(config.dirs.tmp) / "functions"
        self._temporary_root = root / settings.lab
        self._isolate = settings.isolate and isolation_available()
        if settings.isolate and not self._isolate:
            LOG.warning(
                "this system lets no process set itself apart: functions see the host's files "
                "as the emulator does"
            )

    def resolve_image(self, uri: str) -> str:
        return resolve_image(uri)

    def check_image(self, digest: str, uri: str) -> None:
        load_bundle(self._store, digest)

    def flavour(
        self, version: FunctionVersion, environment_id: str, variables: dict[str, str]
    ) -> Flavour:
        image = version.config.image
        assert image is not None  # noqa: S101  an image function
        bundle = load_bundle(self._store, f"sha256:{image.code_sha256}")
        directory = _directory(bundle, version)
        argv = _argv(bundle, version)
        storage = version.config.ephemeral_storage
        return ProcessFlavour(
            ProcessSettings(
                argv=argv,
                directory=directory,
                environment={
                    **bundle.config.environment,
                    "LAMBDA_TASK_ROOT": str(bundle.host_path("/var/task")),
                    **({"_HANDLER": argv[-1]} if len(argv) > 1 else {}),
                    **variables,
                },
                memory_mb=version.config.memory_size,
                ephemeral_mb=storage.size if storage else DEFAULT_EPHEMERAL_MB,
                marker=f"{self._lab}/{environment_id}",
                temporary_root=self._temporary_root,
                isolate=self._isolate,
            )
        )

    def sweep(self) -> None:
        killed = kill_marked(lab=self._lab)
        if killed:
            LOG.warning("killed %d function process(es) of an earlier emulator", len(killed))
        if self._temporary_root.exists():
            shutil.rmtree(self._temporary_root, ignore_errors=True)


def _argv(bundle: Bundle, version: FunctionVersion) -> tuple[str, ...]:
    """Entry point and command, the function's ImageConfig over the image's own."""
    override = version.config.image_config
    entrypoint = override.entrypoint if override and override.entrypoint else None
    command = override.command if override and override.command else None
    return (
        *(entrypoint or bundle.config.entrypoint),
        *(command or bundle.config.command),
    )


def _directory(bundle: Bundle, version: FunctionVersion) -> Path:
    override = version.config.image_config
    path = (override and override.working_directory) or bundle.config.working_directory
    return bundle.host_path(str(PurePosixPath("/") / path))


class ImageExecutor(RuntimeExecutor):
    """One execution environment of an image function, as LocalStack drives it."""

    backend: Backend

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
        settings = self.function_version.config
        self._environment = ExecutionEnvironment(
            FunctionLimits(
                version=self.function_version.id.qualifier,
                memory_mb=settings.memory_size,
                timeout_s=settings.timeout,
            ),
            self.backend.flavour(self.function_version, self.id, variables),
        )
        self._environment.init()

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


class ExecutorByPackageType:
    """Stands where LocalStack expects an executor class, and picks one for each function.

    Image functions are ours; zip functions go to LocalStack's own executor.
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
    if function_version.config.package_type == "Image":
        return ImageExecutor
    try:
        from localstack.services.lambda_.invocation.docker_runtime_executor import (
            DockerRuntimeExecutor,
        )
    except TypeError as error:  # `Lock | None` in localstack.packages.api
        raise ZipFunctionsUnavailable(
            "zip functions run in LocalStack's own Docker executor, which needs Python 3.13"
        ) from error
    return DockerRuntimeExecutor


def configure(environment: dict[str, str] | None = None) -> None:
    """Read the settings and choose the backend, once, before the first function."""
    ImageExecutor.backend = make_backend(
        read_settings(os.environ if environment is None else environment)
    )
