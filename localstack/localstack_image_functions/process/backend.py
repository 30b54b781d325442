"""Image functions as processes, from the bundle store."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path, PurePosixPath

from localstack.services.lambda_.invocation.lambda_models import FunctionVersion

from localstack import config
from localstack_image_functions.errors import InvalidSetting
from localstack_image_functions.images import resolve_image
from localstack_image_functions.process.bundle import Bundle, load_bundle
from localstack_image_functions.process.sandbox import (
    ProcessFlavour,
    ProcessSettings,
    isolation_available,
    kill_marked,
)
from localstack_image_functions.runtime.environment import (
    Flavour,
)
from localstack_image_functions.settings import Settings

LOG = logging.getLogger(__name__)

DEFAULT_EPHEMERAL_MB = 512


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
