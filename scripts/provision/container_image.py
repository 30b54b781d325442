"""Build the lab's images and push the function's to ECR."""

from __future__ import annotations

import base64
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from cloud.switch import Switch, environment
from scripts.console import Progress
from scripts.docker import base_image
from scripts.docker.engine import engine_client
from scripts.docker.reproducible import make_reproducible
from scripts.errors import LabError
from scripts.paths import ROOT
from scripts.provision.function_image import PublishedImage, ensure_repository, lambda_architecture

FUNCTION_IMAGE = "facelab-recognize:local"
TAG = "latest"
# Variables by which a machine says which CAs its network needs, the lab's own first.
CA_VARIABLES = ("FACELAB_CA_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")
NO_CA = ROOT / "localstack" / "no-extra-ca.pem"


class ImageBuildFailed(LabError):
    """An image could not be built."""


class PushFailed(LabError):
    """The function's image did not reach the registry."""


def ca_file(settings: Mapping[str, str] | None = None) -> Path:
    """The CA bundle that builds may use; an empty file where none is named."""
    settings = environment() if settings is None else settings
    for name in CA_VARIABLES:
        path = Path(settings.get(name) or "/nowhere")
        if path.is_file():
            return path
    return NO_CA


def build_environment() -> dict[str, str]:
    """The environment of `docker build` and `docker compose`."""
    return {
        **environment(),
        "FACELAB_CA_FILE": str(ca_file()),
        # Lambda takes single images; an attestation would make an index of them.
        "BUILDX_NO_DEFAULT_ATTESTATIONS": "1",
        "DOCKER_BUILDKIT": "1",
    }


def engine_runs() -> bool:
    """Whether a Docker engine answers. Compose is not needed to build and push."""
    try:
        done = subprocess.run(
            ["docker", "version", "--format", "{{.Server.Version}}"],
            capture_output=True,
            check=False,
            timeout=10,
        )
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def build_function_image(progress: Progress) -> None:
    """Build the function's image; a second without a change takes a second.

    Raises
    ------
    ImageBuildFailed
    """
    if base_image.origin() is base_image.Origin.ABSENT:
        progress(f"getting {base_image.IMAGE}")
        try:
            base_image.ensure(progress)
        except base_image.BaseImageError as error:
            raise ImageBuildFailed(str(error)) from error
    progress(f"building {FUNCTION_IMAGE}")
    command = ["docker", "build", "--file", "lambda/Dockerfile", "--tag", FUNCTION_IMAGE]
    command += [word for name in PROXIES if name in os.environ for word in ("--build-arg", name)]
    command += ["--secret", f"id=ca,src={ca_file()}", "."]
    done = subprocess.run(
        command, cwd=ROOT, env=build_environment(), capture_output=True, text=True, check=False
    )
    if done.returncode:
        lines = "\n".join((done.stdout + done.stderr).strip().splitlines()[-20:])
        raise ImageBuildFailed(f"{FUNCTION_IMAGE} could not be built:\n{lines}")
    name_by_content()


def name_by_content() -> None:
    """Give the function's image, as built, the one digest that its content has.

    Raises
    ------
    ImageBuildFailed
    """
    from docker.errors import DockerException

    try:
        make_reproducible(FUNCTION_IMAGE)
    except DockerException as error:
        raise ImageBuildFailed(f"{FUNCTION_IMAGE} was built and is lost: {error}") from error


def registry_login(switch: Switch) -> dict[str, str]:
    """User and password for a push, as ECR hands them out for twelve hours."""
    token = switch.client("ecr").get_authorization_token()["authorizationData"][0]
    user, _, password = base64.b64decode(token["authorizationToken"]).decode().partition(":")
    return {"username": user, "password": password}


def publish_image(switch: Switch, progress: Progress) -> PublishedImage:
    """Push the function's image to ECR.

    It is built first, for the engine's own architecture, unless FACELAB_PREBUILT_IMAGE names
    one that the engine has: the init hook runs inside LocalStack's container, which can push
    but not build.

    Raises
    ------
    BuildFailed, PushFailed
    """
    local = os.environ.get("FACELAB_PREBUILT_IMAGE")
    if not local:
        build_function_image(progress)
        local = FUNCTION_IMAGE
    return push_image(switch, local, ensure_repository(switch), progress)


def push_image(switch: Switch, local: str, uri: str, progress: Progress) -> PublishedImage:
    """Push the engine's image `local` to the repository `uri`.

    Raises
    ------
    PushFailed
    """
    from docker.errors import DockerException, ImageNotFound

    login = registry_login(switch)
    try:
        engine = engine_client(timeout_s=600)
        image = engine.images.get(local)
        image.tag(uri, TAG)
        digest = ""
        pushing = engine.images.push(uri, TAG, stream=True, decode=True, auth_config=login)
        for line in pushing:
            if "error" in line:
                raise PushFailed(f"pushing to {uri}: {line['error']}")
            if line.get("status") == "Pushed":
                progress(f"pushed layer {line.get('id', '')}")
            digest = line.get("aux", {}).get("Digest", digest)
    except ImageNotFound as error:
        raise PushFailed(f"the engine has no image {local}", "`make image` builds it") from error
    except DockerException as error:
        raise PushFailed(f"pushing to {uri}: {error}") from error
    size_mb = image.attrs["Size"] / 1e6
    progress(f"image {digest[:19]}… is in ECR ({size_mb:.0f} MB on disk)")
    return PublishedImage(f"{uri}@{digest}", lambda_architecture(image.attrs["Architecture"]))
