"""Image functions as processes, from the bundle store."""

from __future__ import annotations

import logging
import os
import shutil
from functools import partial
from ipaddress import ip_address
from pathlib import Path, PurePosixPath
from typing import Any

from localstack.services.lambda_.invocation.lambda_models import FunctionVersion

from localstack import config
from localstack_image_functions.errors import InvalidSetting, IsolationUnavailable
from localstack_image_functions.gateway.pushes import Pushes
from localstack_image_functions.gateway.registry import asking_for_the_password
from localstack_image_functions.gateway.server import FROM_FUNCTION
from localstack_image_functions.images import resolve_image
from localstack_image_functions.process.bundle import Bundle, load_bundle
from localstack_image_functions.process.doors import open_door
from localstack_image_functions.process.isolation import Isolation, isolation_here
from localstack_image_functions.process.layers import layer_store
from localstack_image_functions.process.leftovers import kill_marked
from localstack_image_functions.process.sandbox import Door, ProcessFlavor, ProcessSettings
from localstack_image_functions.runtime import zips
from localstack_image_functions.runtime.environment import Flavor
from localstack_image_functions.runtime.relay import relay
from localstack_image_functions.runtime.zips import find_runtime, unpack
from localstack_image_functions.settings import Settings

LOG = logging.getLogger(__name__)

DEFAULT_EPHEMERAL_MB = 512


class ProcessBackend:
    """Image functions as processes, from the bundle store.

    Raises
    ------
    InvalidSetting
        When no store is named.
    """

    endpoint_host = "127.0.0.1"
    runs_zips = True

    def __init__(self, settings: Settings) -> None:
        if settings.store is None:
            raise InvalidSetting("IMAGE_FUNCTIONS_STORE is not set: where are the bundles?")
        self._store = settings.store
        self._lab = settings.lab
        layers = layer_store()
        self.registry = asking_for_the_password(Pushes(layers).answer) if layers else None
        root = settings.temporary_root or Path(config.dirs.tmp) / "functions"
        self._temporary_root = root / settings.lab
        self._runtimes = settings.runtimes
        self._shown = settings.shown
        self._internet = settings.internet
        self._open_ports = settings.open_ports
        self._refusal = ""
        self._isolation = self._isolation_for(settings.isolate)

    def _isolation_for(self, wanted: bool) -> Isolation | None:
        """How functions are set apart; what this system lacks of it goes to the log."""
        root = os.geteuid() == 0
        if not wanted:
            LOG.warning(
                "IMAGE_FUNCTIONS_ISOLATION=off: functions may do what %s may",
                "root" if root else "the emulator's user",
            )
            return None
        try:
            isolation = isolation_here()
        except IsolationUnavailable as error:
            if root:
                self._refusal = (
                    f"functions are not run as root without being set apart, and this system "
                    f"can't do it ({error}). Start the emulator as an ordinary user, or set "
                    "IMAGE_FUNCTIONS_ISOLATION=off to run functions as root all the same"
                )
                LOG.error(self._refusal)
            else:
                LOG.warning(
                    "functions may do what the emulator's user may: this system does not set "
                    "them apart (%s)",
                    error,
                )
            return None
        if isolation.missing:
            LOG.warning("functions are set apart without %s", ", ".join(isolation.missing))
        return isolation

    def is_from_function(self, environment: dict[str, Any]) -> bool:
        """Whether a request came in by a function's door, by its WSGI environment."""
        return FROM_FUNCTION in environment

    def resolve_image(self, uri: str) -> str:
        return resolve_image(uri)

    def architecture(self, digest: str, uri: str) -> str:
        return load_bundle(self._store, digest).architecture

    def check_image(self, digest: str, uri: str) -> None:
        """Look at the image's bundle.

        Raises
        ------
        IsolationUnavailable
            When functions are to be set apart here and can't be.
        BundleNotFound
            When the store does not hold it.
        """
        if self._refusal:
            raise IsolationUnavailable(self._refusal)
        load_bundle(self._store, digest)

    def flavor(
        self, version: FunctionVersion, environment_id: str, variables: dict[str, str]
    ) -> Flavor:
        image = version.config.image
        assert image is not None  # noqa: S101  an image function
        bundle = load_bundle(self._store, f"sha256:{image.code_sha256}")
        # Set apart, it finds its image's files at their own places; else where they lie here.
        apart = self._isolation is not None
        place = _directory(bundle, version)
        task_root = "/var/task" if apart else str(bundle.host_path("/var/task"))
        argv = _argv(bundle, version)
        storage = version.config.ephemeral_storage
        return ProcessFlavor(
            ProcessSettings(
                argv=argv,
                directory=Path(place) if apart else bundle.host_path(place),
                environment={
                    **bundle.config.environment,
                    "LAMBDA_TASK_ROOT": task_root,
                    **({"_HANDLER": argv[-1]} if len(argv) > 1 else {}),
                    **variables,
                },
                memory_mb=version.config.memory_size,
                ephemeral_mb=storage.size if storage else DEFAULT_EPHEMERAL_MB,
                marker=f"{self._lab}/{environment_id}",
                temporary_root=self._temporary_root,
                isolation=self._isolation,
                root=bundle.root,
                programs=bundle.config.programs,
                shown=self._shown,
                doors=self._doors(),
                internet=self._internet,
            )
        )

    def check_code(self, version: FunctionVersion) -> None:
        """Unpack a zip function and its layers, so that no cold start has to.

        Raises
        ------
        IsolationUnavailable
            When functions are to be set apart here and can't be.
        RuntimeNotFound
            When the runtime is not there.
        CodeTooLarge
            When it takes more, unpacked, than Lambda allows.
        """
        if self._refusal:
            raise IsolationUnavailable(self._refusal)
        find_runtime(self._runtimes, version.config.runtime)
        self._unpack(version)

    def _unpack(self, version: FunctionVersion) -> Path:
        return unpack(version, self._code_store, config.LAMBDA_LIMITS_CODE_SIZE_UNZIPPED)

    @property
    def _code_store(self) -> Path:
        return self._temporary_root.with_name(f"{self._lab}-code")

    def zip_flavor(
        self, version: FunctionVersion, environment_id: str, variables: dict[str, str]
    ) -> Flavor:
        """How to run an environment of a zip function."""
        runtime = find_runtime(self._runtimes, version.config.runtime)
        root = self._unpack(version)
        apart = self._isolation is not None
        before = "" if apart else str(root)
        start = zips.start_of(runtime, root, before, version.config, variables)
        storage = version.config.ephemeral_storage
        return ProcessFlavor(
            ProcessSettings(
                argv=start.arguments,
                directory=Path(before + zips.TASK_ROOT),
                environment=start.environment,
                memory_mb=version.config.memory_size,
                ephemeral_mb=storage.size if storage else DEFAULT_EPHEMERAL_MB,
                marker=f"{self._lab}/{environment_id}",
                temporary_root=self._temporary_root,
                isolation=self._isolation,
                root=root,
                programs=runtime.programs,
                note=runtime.note,
                shown=self._shown,
                doors=self._doors(),
                internet=self._internet,
            )
        )

    def _doors(self) -> tuple[Door, ...]:
        """The emulator under each port that it goes by, and what the user opened."""
        gateway = config.GATEWAY_LISTEN[0].port
        doors = {
            port: Door(port, lambda listener: open_door(listener, gateway))
            for port in (gateway, config.LOCALSTACK_HOST.port)
        }
        for host, port in self._open_ports:
            opened = partial(relay, host=host, port=port)
            doors[port] = Door(port, opened, () if _is_address(host) else (host,))
        return tuple(doors.values())

    def sweep(self) -> None:
        killed = kill_marked(lab=self._lab)
        if killed:
            LOG.warning("killed %d function process(es) of an earlier emulator", len(killed))
        for folder in (self._temporary_root, self._code_store):
            shutil.rmtree(folder, ignore_errors=True)

    def prepare(self) -> None:
        """Nothing: a function's network lives and ends with it."""

    def leave(self) -> None:
        """Nothing."""


def _argv(bundle: Bundle, version: FunctionVersion) -> tuple[str, ...]:
    """Entry point and command, the function's ImageConfig over the image's own."""
    override = version.config.image_config
    entrypoint = override.entrypoint if override and override.entrypoint else None
    command = override.command if override and override.command else None
    return (
        *(entrypoint or bundle.config.entrypoint),
        *(command or bundle.config.command),
    )


def _directory(bundle: Bundle, version: FunctionVersion) -> str:
    override = version.config.image_config
    path = (override and override.working_directory) or bundle.config.working_directory
    return str(PurePosixPath("/") / path)


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
