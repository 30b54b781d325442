"""The container registry behind ECR: what was pushed is what ECR shows.

`docker push` talks to a CNCF distribution registry; moto's ECR keeps repositories, their
settings and policies. `Registry` reads and changes the one, `ecr.EcrJoin` brings the other to
it before it answers. Image content is never kept twice: the registry is right.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

import requests

from localstack_image_functions.errors import ImageFunctionsError, ImageNotFound, UnsupportedImage
from localstack_image_functions.image_uris import RegistryReference, parse_uri
from localstack_image_functions.settings import read_settings

SINGLE_IMAGES = (
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
)
INDEXES = (
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.index.v1+json",
)
TIMEOUT_S = 20
LOOK_EVERY_S = 0.1


class RegistryUnreachable(ImageFunctionsError):
    """The registry does not answer: look at its container, `docker compose ps`."""


class RegistryRefused(ImageFunctionsError):
    """The registry does not take a manifest, most often because its layers are not there."""


@dataclass(frozen=True)
class Manifest:
    """An image, or an index of images, as the registry keeps it."""

    digest: str
    media_type: str
    text: str

    @property
    def is_index(self) -> bool:
        return self.media_type in INDEXES

    @property
    def size_bytes(self) -> int:
        """What ECR calls the image's size: its compressed layers and its configuration."""
        content = json.loads(self.text)
        parts = [content.get("config") or {}, *content.get("layers", ())]
        return sum(part.get("size", 0) for part in parts)


class Registry:
    """A client of the registry's HTTP API (distribution v2).

    `url` is where this process reaches it, `public_host` how the container engine does: the
    host part of every `repositoryUri`.
    """

    def __init__(self, url: str, public_host: str) -> None:
        self.url = url.rstrip("/")
        self.public_host = public_host
        self._local = threading.local()

    @property
    def is_public(self) -> bool:
        """Whether the container engine reaches it as we do, with nothing between."""
        return self.url == f"http://{self.public_host}"

    def answers_within(self, patience_s: float) -> bool:
        """Whether the registry is there, which may be starting beside us."""
        deadline = time.monotonic() + patience_s
        while True:
            try:
                self._request("GET", "")
                return True
            except RegistryUnreachable:
                if time.monotonic() > deadline:
                    return False
            time.sleep(LOOK_EVERY_S)  # between looks, with a deadline

    def uri(self, repository: str) -> str:
        """The `repositoryUri`: what `docker push` takes."""
        return f"{self.public_host}/{repository}"

    def pinned(self, repository: str, digest: str) -> str:
        """The image as the engine pulls and runs it: by digest."""
        return f"{self.uri(repository)}@{digest}"

    def tags(self, repository: str) -> list[str]:
        answer = self._request("GET", f"{repository}/tags/list")
        return [] if answer.status_code == 404 else sorted(answer.json().get("tags") or ())

    def manifest(self, repository: str, selector: str) -> Manifest | None:
        """The manifest under a tag or digest; None when there is none."""
        answer = self._request(
            "GET",
            f"{repository}/manifests/{selector}",
            headers={"Accept": ", ".join((*SINGLE_IMAGES, *INDEXES))},
        )
        if answer.status_code == 404:
            return None
        return Manifest(
            answer.headers["Docker-Content-Digest"],
            answer.headers["Content-Type"].partition(";")[0],
            answer.text,
        )

    def put_manifest(self, repository: str, selector: str, manifest: str, media_type: str) -> str:
        """Store a manifest; its digest.

        Raises
        ------
        RegistryRefused
            When the registry lacks what the manifest names.
        """
        answer = self._request(
            "PUT",
            f"{repository}/manifests/{selector}",
            data=manifest.encode(),
            headers={"Content-Type": media_type},
        )
        if answer.status_code != 201:
            raise RegistryRefused(_reason(answer))
        return answer.headers["Docker-Content-Digest"]

    def delete_manifest(self, repository: str, digest: str) -> None:
        """Delete an image with all its tags; quiet when it is gone already.

        Raises
        ------
        RegistryRefused
            When the registry does not delete it.
        """
        answer = self._request("DELETE", f"{repository}/manifests/{digest}")
        if answer.status_code not in (202, 404):
            raise RegistryRefused(_reason(answer))

    def place(self, repository: Any) -> str:
        """Where a repository of moto's has its layers."""
        return str(repository.name)

    def has_blob(self, place: str, digest: str) -> int | None:
        """A layer's size in bytes; None when the repository does not have it."""
        answer = self._request("HEAD", f"{place}/blobs/{digest}")
        return int(answer.headers["Content-Length"]) if answer.status_code == 200 else None

    def begin_upload(self, place: str) -> str:
        """Begin to upload a layer; where it goes on."""
        return _location(self._request("POST", f"{place}/blobs/uploads/"), 202)

    def append(self, location: str, start: int, data: bytes) -> str:
        """Send the bytes from `start` on; where it goes on.

        Raises
        ------
        RegistryRefused
            When they do not follow what was sent before.
        """
        answer = self._request(
            "PATCH",
            location,
            data=data,
            headers={
                "Content-Type": "application/octet-stream",
                "Content-Range": f"{start}-{start + len(data) - 1}",
            },
        )
        return _location(answer, 202)

    def finish_upload(self, location: str, digest: str) -> None:
        """Keep what was sent as the layer of that digest.

        Raises
        ------
        RegistryRefused
            When it has another one.
        """
        joined = "&" if "?" in location else "?"
        answer = self._request("PUT", f"{location}{joined}digest={quote(digest)}")
        if answer.status_code != 201:
            raise RegistryRefused(_reason(answer))

    def image(self, uri: str) -> tuple[RegistryReference, Manifest]:
        """What a function's image URI names.

        Raises
        ------
        ImageNotFound
            When nothing was pushed there.
        UnsupportedImage
            When it is an index of images: Lambda takes single images only.
        """
        reference = parse_uri(uri)
        found = self.manifest(reference.repository, reference.selector)
        if found is None:
            raise ImageNotFound(f"Source image {uri} does not exist. Provide a valid source image.")
        if found.is_index:
            raise UnsupportedImage(
                f"The image manifest, config or layer media type for the source image {uri} is "
                "not supported. (an index of images: build with --provenance=false)"
            )
        return reference, found

    def architecture(self, repository: str, manifest: Manifest) -> str:
        """What an image was built for, as its configuration names it; empty where that does not."""
        digest = (json.loads(manifest.text).get("config") or {}).get("digest", "")
        answer = self._request("GET", f"{repository}/blobs/{digest}")
        return answer.json().get("architecture", "") if answer.status_code == 200 else ""

    def _request(self, method: str, path: str, **options: Any) -> requests.Response:
        if not hasattr(self._local, "session"):
            # Not for the proxies and credentials of whoever started the emulator.
            self._local.session = requests.Session()
            self._local.session.trust_env = False
        try:
            answer = self._local.session.request(
                method, f"{self.url}/v2/{path}", timeout=TIMEOUT_S, **options
            )
        except requests.RequestException as error:
            raise RegistryUnreachable(f"{self.url} does not answer: {error}") from error
        if answer.status_code >= 500:
            raise RegistryUnreachable(f"{self.url} answers {_reason(answer)}")
        return answer


def _location(answer: requests.Response, expected: int) -> str:
    """The path below `/v2/` at which an upload goes on."""
    if answer.status_code != expected:
        raise RegistryRefused(_reason(answer))
    parts = urlsplit(answer.headers["Location"])
    path = parts.path.partition("/v2/")[2]
    return f"{path}?{parts.query}" if parts.query else path


def _reason(answer: requests.Response) -> str:
    try:
        return "; ".join(error["message"] for error in answer.json()["errors"])
    except (ValueError, KeyError, TypeError):
        return f"status {answer.status_code}"


def registry_from_environment(environment: Mapping[str, str] = os.environ) -> Registry | None:
    """The registry that `IMAGE_FUNCTIONS_REGISTRY` names, None when there is none.

    `IMAGE_FUNCTIONS_REGISTRY` is where the container engine reaches it (`localhost:4510`),
    `IMAGE_FUNCTIONS_REGISTRY_URL` where this process does, when that differs.
    """
    settings = read_settings(environment)
    if settings.registry_host is None:
        return None
    url = settings.registry_url or f"http://{settings.registry_host}"
    return Registry(url, settings.registry_host)
