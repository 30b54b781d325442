"""LocalStack with ECR and container-image functions, for one test session.

Made to be copied: it needs testcontainers, boto3 and the two images that
`docker compose build localstack registry` makes, and knows nothing of this project.

    @pytest.fixture(scope="session")
    def emulator():
        with ImageFunctionsEmulator("my-localstack", "my-registry") as emulator:
            yield emulator

    def test_it(emulator):
        uri = emulator.push("my-function:local", "my-repository")
        emulator.client("lambda").create_function(Code={"ImageUri": uri}, …)
"""

from __future__ import annotations

import base64
import contextlib
import os
import socket
import uuid
from pathlib import Path
from typing import Any

# Ryuk is an image from a registry; what is started here is also stopped here.
os.environ.setdefault("TESTCONTAINERS_RYUK_DISABLED", "true")
if Path("/.dockerenv").exists():
    os.environ.setdefault("TESTCONTAINERS_CONNECTION_MODE", "docker_host")

import boto3
import docker
from testcontainers.community.localstack import LocalStackContainer
from testcontainers.core.container import DockerContainer
from testcontainers.core.network import Network
from testcontainers.core.wait_strategies import HttpWaitStrategy

START_TIMEOUT_S = 120
LAB_LABEL = "localstack-image-functions.lab"
REGION = "us-east-1"


class ImageFunctionsEmulator:
    """A registry and LocalStack with the plugin, on a network of their own.

    Use as a context manager. `endpoint` and `registry_host` are reachable from the test, the
    latter also from the container engine; both listen on loopback only. LocalStack runs as root,
    as its image says, or as `user`, who may ask the engine.
    """

    def __init__(
        self,
        localstack_image: str,
        registry_image: str,
        settings: dict[str, str] | None = None,
        user: int | None = None,
    ) -> None:
        self.lab = f"test-{uuid.uuid4().hex[:8]}"
        self._images = localstack_image, registry_image
        self._settings = settings or {}
        self._user = user
        self._network = Network()
        self._registry: DockerContainer | None = None
        self.localstack: LocalStackContainer | None = None
        self.engine = docker.from_env(timeout=300)
        self.registry_host = ""

    @property
    def endpoint(self) -> str:
        assert self.localstack is not None
        return f"http://127.0.0.1:{self.localstack.get_exposed_port(4566)}"

    def client(self, service: str) -> Any:
        """A boto3 client of the emulator."""
        return boto3.client(
            service,
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=boto3.session.Config(
                s3={"addressing_style": "path"}, read_timeout=120, retries={"max_attempts": 0}
            ),
        )

    def __enter__(self) -> ImageFunctionsEmulator:
        try:
            self._network.create()
            self._start_registry()
            self.start_localstack()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop_localstack()
        for container in self.function_containers():
            container.remove(force=True, v=True)
        for network in self.engine.networks.list(filters={"label": f"{LAB_LABEL}={self.lab}"}):
            network.remove()  # a killed emulator's
        if self._registry:
            self._registry.stop()
        self._network.remove()
        forget_images(self.engine, self.registry_host)
        for image in self.engine.images.list(filters={"label": f"{LAB_LABEL}={self.lab}"}):
            self.engine.images.remove(image.id, force=True)  # zip functions'

    def start_localstack(self) -> None:
        """Start LocalStack; again after `stop_localstack` or a kill. It keeps no state."""
        container = LocalStackContainer(self._images[0], region_name=REGION)
        container.ports["4566/tcp"] = ("127.0.0.1", _free_port())
        container.ports.pop(4566, None)
        container.ports.pop("4566", None)
        container.with_network(self._network).with_network_aliases("localstack")
        container.with_volume_mapping(_engine_socket(), "/var/run/docker.sock", "rw")
        container.with_env("IMAGE_FUNCTIONS_LAB", self.lab)
        container.ports["4510/tcp"] = ("127.0.0.1", int(self.registry_host.partition(":")[2]))
        container.with_env("IMAGE_FUNCTIONS_REGISTRY", self.registry_host)
        container.with_env("IMAGE_FUNCTIONS_REGISTRY_URL", "http://registry:5000")
        for name, value in self._settings.items():
            container.with_env(name, value)
        if self._user is not None:
            container.with_kwargs(
                user=f"{self._user}:{self._user}",
                group_add=[Path(_engine_socket()).stat().st_gid],
            )
            own = f"mode=0700,uid={self._user},gid={self._user}"
            container.tmpfs["/var/lib/localstack"] = own
        self.localstack = container
        container.start(timeout=START_TIMEOUT_S)

    def stop_localstack(self) -> None:
        """Stop it as an operator would: testcontainers alone would kill it."""
        if self.localstack and self.localstack._container:
            self.localstack._container.stop(timeout=15)
            self.localstack.stop()
            self.localstack = None

    def kill_localstack(self) -> None:
        """Kill it, so that it can't clean up after itself."""
        assert self.localstack is not None
        self.localstack.get_wrapped_container().kill()
        self.localstack.stop()
        self.localstack = None

    def push(self, image: str, repository: str, tag: str = "latest") -> str:
        """Create the repository if needed, push a local image, return its URI by digest."""
        ecr = self.client("ecr")
        try:
            made = ecr.create_repository(repositoryName=repository)["repository"]
        except ecr.exceptions.RepositoryAlreadyExistsException:
            found = ecr.describe_repositories(repositoryNames=[repository])
            made = found["repositories"][0]
        uri = made["repositoryUri"]
        self.engine.images.get(image).tag(uri, tag)
        digest = ""
        login = self.login()
        pushing = self.engine.images.push(uri, tag, stream=True, decode=True, auth_config=login)
        for line in pushing:
            assert "error" not in line, line["error"]
            digest = line.get("aux", {}).get("Digest", digest)
        return f"{uri}@{digest}"

    def login(self) -> dict[str, str]:
        """User and password of `aws ecr get-login-password`."""
        data = self.client("ecr").get_authorization_token()["authorizationData"][0]
        user, _, password = base64.b64decode(data["authorizationToken"]).decode().partition(":")
        return {"username": user, "password": password}

    def basic(self) -> tuple[str, str]:
        """The same for an HTTP client."""
        login = self.login()
        return login["username"], login["password"]

    def function_containers(self, function: str | None = None) -> list[Any]:
        """Containers of functions, of one function by name if given."""
        labels = [f"{LAB_LABEL}={self.lab}"]
        if function:
            labels.append(f"localstack-image-functions.function={function}")
        return self.engine.containers.list(all=True, filters={"label": labels}, ignore_removed=True)

    def _start_registry(self) -> None:
        self.registry_host = f"localhost:{_free_port()}"
        self._registry = DockerContainer(self._images[1])
        self._registry.ports["5000/tcp"] = ("127.0.0.1", _free_port())
        self._registry.with_network(self._network).with_network_aliases("registry")
        self._registry.waiting_for(
            HttpWaitStrategy(5000, "/v2/")
            .for_status_code(200)
            .with_startup_timeout(START_TIMEOUT_S)
        )
        self._registry.start()


def forget_images(engine: docker.DockerClient, registry_host: str) -> None:
    """Take the names of a registry that is gone off the engine's images."""
    for image in engine.images.list():
        for name in (*image.tags, *image.attrs.get("RepoDigests", ())):
            if name.startswith(f"{registry_host}/"):
                with contextlib.suppress(docker.errors.APIError):
                    engine.images.remove(name, noprune=True)


def _engine_socket() -> str:
    host = os.environ.get("DOCKER_HOST", "")
    return host.removeprefix("unix://") if host.startswith("unix://") else "/var/run/docker.sock"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
