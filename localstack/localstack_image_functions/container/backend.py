"""Image functions as containers, from the registry behind ECR."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from docker.errors import APIError, DockerException
from localstack.config import LAMBDA_LIMITS_CODE_SIZE_UNZIPPED, dirs
from localstack.services.lambda_.invocation.lambda_models import FunctionVersion

from localstack_image_functions.container import engine as container_engine
from localstack_image_functions.container.ecr import serve_registry
from localstack_image_functions.container.registry import Registry, registry_from_environment
from localstack_image_functions.container.sandbox import ContainerFlavor, ContainerSettings
from localstack_image_functions.container.tokens import Identity, tokens
from localstack_image_functions.container.zip_images import ZipImages
from localstack_image_functions.errors import ImageNotFound, InvalidSetting
from localstack_image_functions.gateway.registry import Serve, passing_on
from localstack_image_functions.image_uris import parse_uri
from localstack_image_functions.process.bundle import lambda_architecture
from localstack_image_functions.runtime import zips
from localstack_image_functions.runtime.environment import Flavor
from localstack_image_functions.runtime.relay import relay
from localstack_image_functions.settings import Settings

LOG = logging.getLogger(__name__)

DEFAULT_EPHEMERAL_MB = 512
REGISTRY_PATIENCE_S = 60


class ContainerBackend:
    """Runs each environment of an image function as a sibling container of the emulator.

    Raises
    ------
    InvalidSetting
        When no registry is named.
    """

    def __init__(self, settings: Settings) -> None:
        registry = registry_from_environment()
        if registry is None:
            raise InvalidSetting(
                "IMAGE_FUNCTIONS_REGISTRY is not set: which registry stands behind ECR?"
            )
        self._registry: Registry = registry
        self._lab = settings.lab
        self._internet = settings.internet
        self._open_ports = settings.open_ports
        self._network = settings.network
        self.registry: Serve | None = None
        if not registry.is_public:
            self.registry = passing_on(lambda: self._position().outer_address)
        self._zips = None
        if settings.zip_image:
            store = Path(dirs.tmp) / f"{settings.lab}-code"
            limit = LAMBDA_LIMITS_CODE_SIZE_UNZIPPED
            self._zips = ZipImages(settings.zip_image, settings.lab, store, limit)

    @property
    def runs_zips(self) -> bool:
        """Whether zip functions are ours, too."""
        return self._zips is not None

    def is_from_function(self, environment: dict[str, Any]) -> bool:
        """Whether a request came over the functions' own network, by its WSGI environment."""
        position = self._position()
        return bool(environment.get("SERVER_NAME") == position.address != position.outer_address)

    @property
    def endpoint_host(self) -> str:
        """Where functions reach the emulator."""
        return self._position().address

    def _position(self) -> container_engine.Position:
        return container_engine.own_position(self._lab, self._internet, self._network)

    def resolve_image(self, uri: str) -> str:
        """The digest of what was pushed under `uri`.

        Raises
        ------
        ImageNotFound
            When the registry holds none.
        UnsupportedImage
            When it is an index of several.
        """
        return self._registry.image(uri)[1].digest

    def architecture(self, digest: str, uri: str) -> str:
        """What an image was built for.

        Raises
        ------
        ImageNotFound
            When the registry holds none.
        """
        reference, manifest = self._registry.image(uri)
        return lambda_architecture(self._registry.architecture(reference.repository, manifest))

    def check_image(self, digest: str, uri: str) -> None:
        """Bring the image to the engine, so that no cold start has to.

        Raises
        ------
        ImageNotFound
            When the engine can't get it.
        """
        repository = parse_uri(uri).repository
        try:
            self._pull(self._registry.pinned(repository, digest))
        except (APIError, DockerException) as error:
            raise ImageNotFound(f"the container engine can't pull {uri}: {error}") from error

    def flavor(
        self, version: FunctionVersion, environment_id: str, variables: dict[str, str]
    ) -> Flavor:
        """How to run an environment of `version` with these environment variables."""
        image = version.config.image
        assert image is not None  # noqa: S101  an image function
        repository = parse_uri(image.image_uri).repository
        override = version.config.image_config
        settings = self._settings(
            version,
            environment_id,
            image=self._registry.pinned(repository, f"sha256:{image.code_sha256}"),
            environment={"LAMBDA_TASK_ROOT": "/var/task", **variables},
            entrypoint=tuple((override and override.entrypoint) or ()),
            command=tuple((override and override.command) or ()),
            working_directory=(override and override.working_directory) or "",
        )
        return self._flavor(settings, self._pull)

    def check_code(self, version: FunctionVersion) -> None:
        """Make a zip function's image, so that no cold start has to.

        Raises
        ------
        RuntimeNotFound
            When the runtime is not there.
        CodeTooLarge
            When it takes more, unpacked, than Lambda allows.
        """
        assert self._zips is not None  # noqa: S101  `executor_for` looked
        self._zips.image(version)

    def zip_flavor(
        self, version: FunctionVersion, environment_id: str, variables: dict[str, str]
    ) -> Flavor:
        """How to run an environment of a zip function."""
        images = self._zips
        assert images is not None  # noqa: S101
        image = images.image(version)
        start = zips.start_of(image.runtime, image.root, "", version.config, variables)
        settings = self._settings(
            version,
            environment_id,
            image=image.name,
            environment=start.environment,
            entrypoint=start.arguments,
            command=(),
            working_directory=zips.TASK_ROOT,
            note=start.runtime.note,
        )
        return self._flavor(settings, lambda _: images.image(version))

    def _settings(
        self, version: FunctionVersion, environment_id: str, **own: Any
    ) -> ContainerSettings:
        storage = version.config.ephemeral_storage
        return ContainerSettings(
            memory_mb=version.config.memory_size,
            ephemeral_mb=storage.size if storage else DEFAULT_EPHEMERAL_MB,
            lab=self._lab,
            function_name=version.id.function_name,
            environment_id=environment_id,
            **own,
        )

    def _flavor(self, settings: ContainerSettings, pull: Callable[[str], object]) -> Flavor:
        return ContainerFlavor(
            settings, container_engine.engine(), self._position(), pull, self._open_names()
        )

    def _pull(self, image: str) -> None:
        login = tokens.login(Identity("", "", engine=True))
        container_engine.engine().images.pull(image, auth_config=login)

    def _open_names(self) -> dict[str, str]:
        """What the user opened: the names that lead to us, who pass it on."""
        for host, port in () if self._internet else self._open_ports:
            _pass_on(self._position().address, host, port)
        return (
            {}
            if self._internet
            else {host: self._position().address for host, _ in self._open_ports}
        )

    def sweep(self) -> None:
        """Remove what an earlier emulator of the same lab left behind."""
        removed = container_engine.sweep(self._lab)
        if removed:
            LOG.warning("removed containers of an earlier emulator: %s", ", ".join(removed))

    def prepare(self) -> None:
        """Join the functions' network, serve the registry where they are not, forget old code."""
        if self._zips:
            self._zips.forget()
        # After a reboot the engine starts containers in any order.
        if not self._registry.answers_within(REGISTRY_PATIENCE_S):
            LOG.warning("%s does not answer: look at its container", self._registry.url)
        serve_registry(self._registry, self._position().outer_address)

    def leave(self) -> None:
        """Remove what functions needed beside their containers."""
        container_engine.leave(self._lab)


@cache
def _pass_on(address: str, host: str, port: int) -> None:
    """Let functions reach `host`:`port` through `address`, from now on."""
    listener = socket.create_server((address, port))
    relay(listener, host, port)
    LOG.info("functions may reach %s:%d", host, port)
