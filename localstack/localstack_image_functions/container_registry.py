"""The container registry behind ECR: what was pushed is what ECR shows.

`docker push` talks to a CNCF distribution registry; moto's ECR keeps repositories, their
settings and policies. `Registry` reads and changes the one, `EcrJoin` brings the other to it
before it answers. Image content is never kept twice: the registry is right.
"""

from __future__ import annotations

import base64
import json
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import requests

from localstack_image_functions.errors import ImageFunctionsError, ImageNotFound, UnsupportedImage

SINGLE_IMAGES = (
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
)
INDEXES = (
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.index.v1+json",
)
TIMEOUT_S = 20
TOKEN_LIFE = timedelta(hours=12)


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


@dataclass(frozen=True)
class Reference:
    """An image by name: `repository` and a `tag` or `digest`."""

    repository: str
    selector: str

    @property
    def is_digest(self) -> bool:
        return self.selector.startswith("sha256:")


def parse_uri(uri: str) -> Reference:
    """Read `HOST[:PORT]/REPOSITORY[:TAG][@DIGEST]`; without tag and digest it is `latest`.

    Any host will do: the host of an ECR URI only says which account's registry is meant, and
    there is one. A host's port must not be taken for a tag.

    Raises
    ------
    ImageNotFound
        When the URI names no repository.
    """
    host, slash, rest = uri.partition("/")
    looks_like_host = "." in host or ":" in host or host == "localhost"
    if not slash or not looks_like_host or not rest:
        raise ImageNotFound(f"{uri!r} is not the URI of an image in ECR: HOST/REPOSITORY:TAG")
    name, _, digest = rest.partition("@")
    repository, _, tag = name.partition(":")
    return Reference(repository, digest or tag or "latest")


class Registry:
    """A client of the registry's HTTP API (distribution v2).

    `url` is where this process reaches it, `public_host` how the container engine does: the
    host part of every `repositoryUri`.
    """

    def __init__(self, url: str, public_host: str) -> None:
        self.url = url.rstrip("/")
        self.public_host = public_host
        self._local = threading.local()

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
        """Delete an image with all its tags; quiet when it is gone already."""
        answer = self._request("DELETE", f"{repository}/manifests/{digest}")
        if answer.status_code not in (202, 404):
            raise RegistryRefused(_reason(answer))

    def has_blob(self, repository: str, digest: str) -> int | None:
        """A layer's size in bytes; None when the repository does not have it."""
        answer = self._request("HEAD", f"{repository}/blobs/{digest}")
        return int(answer.headers["Content-Length"]) if answer.status_code == 200 else None

    def image(self, uri: str) -> tuple[Reference, Manifest]:
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


def _reason(answer: requests.Response) -> str:
    try:
        return "; ".join(error["message"] for error in answer.json()["errors"])
    except (ValueError, KeyError, TypeError):
        return f"status {answer.status_code}"


@dataclass
class Pushed:
    """An image of a repository: what ECR says of it."""

    manifest: Manifest
    tags: list[str] = field(default_factory=list)


def pushed_images(registry: Registry, repository: str) -> dict[str, Pushed]:
    """Every tagged image in the registry, by digest."""
    found: dict[str, Pushed] = {}
    for tag in registry.tags(repository):
        manifest = registry.manifest(repository, tag)
        if manifest is not None:  # deleted since the tags were listed
            found.setdefault(manifest.digest, Pushed(manifest)).tags.append(tag)
    return found


Request = Mapping[str, Any]
CallMoto = Callable[[Any], dict[str, Any]]
Handler = Callable[[Any, Request], dict[str, Any]]


class EcrJoin:
    """Handlers for the ECR operations that concern images or say where the registry is.

    `call_moto` sends the request of a LocalStack context on to moto, `repository_of` finds
    moto's repository object for a context and a name (or raises ECR's error for a missing
    one).
    """

    def __init__(
        self,
        registry: Registry,
        call_moto: CallMoto,
        repository_of: Callable[[Any, Request], Any],
        make_image: Callable[[Any, Manifest], Any],
    ) -> None:
        self._registry = registry
        self._call_moto = call_moto
        self._repository_of = repository_of
        self._make_image = make_image
        self._lock = threading.RLock()

    def handlers(self) -> dict[str, Handler]:
        """Operation name -> handler. Every other operation goes to moto as it is."""
        return {
            "CreateRepository": self._one_repository,
            "DeleteRepository": self._delete_repository,
            "DescribeRepositories": self._describe_repositories,
            "GetAuthorizationToken": self._authorization,
            "DescribeImages": self._after_sync,
            "ListImages": self._list_images,
            "BatchGetImage": self._batch_get_image,
            "StartImageScan": self._after_sync,
            "DescribeImageScanFindings": self._after_sync,
            "PutImage": self._put_image,
            "BatchDeleteImage": self._batch_delete_image,
            "BatchCheckLayerAvailability": self._layers,
        }

    def sync(self, context: Any, request: Request) -> Any:
        """Make moto's repository show what the registry holds; returns that repository.

        An image that lost its last tag to a newer push stays, untagged, as in ECR: the
        registry keeps it, but can't list it.
        """
        repository = self._repository_of(context, request)
        with self._lock:
            pushed = pushed_images(self._registry, repository.name)
            known = {image.get_image_digest(): image for image in repository.images}
            for digest, entry in pushed.items():
                image = known.get(digest) or self._make_image(repository, entry.manifest)
                image.image_tags = list(entry.tags)
                image.image_tag = entry.tags[-1]
                known[digest] = image
            for digest, image in list(known.items()):
                if digest not in pushed:
                    image.image_tags = []
                    image.image_tag = None
                    if self._registry.manifest(repository.name, digest) is None:
                        del known[digest]
            repository.images[:] = known.values()
        return repository

    def _after_sync(self, context: Any, request: Request) -> dict[str, Any]:
        self.sync(context, request)
        return self._call_moto(context)

    def _list_images(self, context: Any, request: Request) -> dict[str, Any]:
        repository = self.sync(context, request)
        wanted = (request.get("filter") or {}).get("tagStatus", "ANY")
        rows: list[dict[str, str]] = []
        for image in repository.images:
            digest = {"imageDigest": image.get_image_digest()}
            if image.image_tags and wanted != "UNTAGGED":
                rows += [digest | {"imageTag": tag} for tag in image.image_tags]
            elif not image.image_tags and wanted != "TAGGED":
                rows.append(digest)
        return {"imageIds": rows}

    def _batch_get_image(self, context: Any, request: Request) -> dict[str, Any]:
        repository = self.sync(context, request)
        images, failures = [], []
        for image_id in request["imageIds"]:
            image = _find(repository.images, image_id)
            if image is None:
                failures.append(_not_found(image_id))
                continue
            tag = image_id.get("imageTag")
            images.append(
                _described(
                    repository, image.get_image_digest(), tag, image.image_manifest,
                    image.image_manifest_media_type,
                )
            )  # fmt: skip
        return {"images": images, "failures": failures}

    def _put_image(self, context: Any, request: Request) -> dict[str, Any]:
        repository = self.sync(context, request)
        text, tag = request["imageManifest"], request.get("imageTag")
        media_type = request.get("imageManifestMediaType") or json.loads(text).get("mediaType")
        digest = "sha256:" + _sha256(text)
        holder = _find(repository.images, {"imageTag": tag}) if tag else None
        here = _find(repository.images, {"imageDigest": digest})
        if (holder and holder.get_image_digest() == digest) or (here and not tag):
            raise EcrError(
                "ImageAlreadyExistsException",
                f"Image with digest '{digest}' and tag '{tag}' already exists in the repository "
                f"with name '{repository.name}' in registry with id '{repository.registry_id}'",
            )
        if holder and repository.is_tag_immutable():
            raise EcrError(
                "ImageTagAlreadyExistsException",
                f"The image tag '{tag}' already exists in the '{repository.name}' repository and "
                "cannot be overwritten because the repository is immutable.",
            )
        try:
            self._registry.put_manifest(repository.name, tag or digest, text, media_type or "")
        except RegistryRefused as error:
            raise EcrError(
                "LayersNotFoundException",
                f"The repository '{repository.name}' lacks what the manifest names: {error}",
            ) from error
        if not tag:
            manifest = Manifest(digest, media_type or "", text)
            repository.images.append(self._make_image(repository, manifest))
        self.sync(context, request)
        return {"image": _described(repository, digest, tag, text, media_type)}

    def _batch_delete_image(self, context: Any, request: Request) -> dict[str, Any]:
        """By digest with all its tags; by tag only that tag, and the image with its last."""
        repository = self.sync(context, request)
        deleted, failures = [], []
        for image_id in request["imageIds"]:
            image = _find(repository.images, image_id)
            if image is None:
                failures.append(_not_found(image_id))
                continue
            digest, tag = image.get_image_digest(), image_id.get("imageTag")
            gone = [tag] if tag else (image.image_tags or [None])
            kept = [other for other in image.image_tags if other not in gone]
            # The registry deletes by digest alone; the other tags are put back.
            self._registry.delete_manifest(repository.name, digest)
            for other in kept:
                self._registry.put_manifest(
                    repository.name, other, image.image_manifest, image.image_manifest_media_type
                )
            image.image_tags = kept
            if not kept:
                repository.images.remove(image)
            deleted += [
                {"imageDigest": digest} | ({"imageTag": name} if name else {}) for name in gone
            ]
        return {"imageIds": deleted, "failures": failures}

    def _layers(self, context: Any, request: Request) -> dict[str, Any]:
        repository = self._repository_of(context, request)
        layers = []
        for digest in request["layerDigests"]:
            size = self._registry.has_blob(repository.name, digest)
            found = size is not None
            layers.append(
                {
                    "layerDigest": digest,
                    "layerAvailability": "AVAILABLE" if found else "UNAVAILABLE",
                    **({"layerSize": size} if found else {}),
                }
            )
        return {"layers": layers, "failures": []}

    def _one_repository(self, context: Any, request: Request) -> dict[str, Any]:
        answer = self._call_moto(context)
        self._name_registry([answer["repository"]])
        return answer

    def _describe_repositories(self, context: Any, request: Request) -> dict[str, Any]:
        answer = self._call_moto(context)
        self._name_registry(answer["repositories"])
        return answer

    def _delete_repository(self, context: Any, request: Request) -> dict[str, Any]:
        repository = self.sync(context, request)
        digests = [image.get_image_digest() for image in repository.images]
        answer = self._one_repository(context, request)  # refuses images without `force`
        for digest in digests:
            self._registry.delete_manifest(repository.name, digest)
        return answer

    def _authorization(self, context: Any, request: Request) -> dict[str, Any]:
        """Any password will do for a registry on loopback; the shape is ECR's."""
        token = base64.b64encode(b"AWS:emulated").decode()
        return {
            "authorizationData": [
                {
                    "authorizationToken": token,
                    "expiresAt": datetime.now(UTC) + TOKEN_LIFE,
                    "proxyEndpoint": f"http://{self._registry.public_host}",
                }
            ]
        }

    def _name_registry(self, repositories: Iterable[dict[str, Any]]) -> None:
        for repository in repositories:
            repository["repositoryUri"] = self._registry.uri(repository["repositoryName"])


class EcrError(Exception):
    """An error that ECR's API defines. `code` is its name."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def _find(images: Iterable[Any], image_id: Request) -> Any | None:
    digest, tag = image_id.get("imageDigest"), image_id.get("imageTag")
    matches: Iterator[Any] = (
        image
        for image in images
        if (digest or tag)
        and (not digest or image.get_image_digest() == digest)
        and (not tag or tag in image.image_tags)
    )
    return next(matches, None)


def _not_found(image_id: Request) -> dict[str, Any]:
    return {
        "imageId": dict(image_id),
        "failureCode": "ImageNotFound",
        "failureReason": "Requested image not found",
    }


def _described(
    repository: Any, digest: str, tag: str | None, text: str, media_type: str | None
) -> dict[str, Any]:
    return {
        "registryId": repository.registry_id,
        "repositoryName": repository.name,
        "imageId": {"imageDigest": digest} | ({"imageTag": tag} if tag else {}),
        "imageManifest": text,
        **({"imageManifestMediaType": media_type} if media_type else {}),
    }


def _sha256(text: str) -> str:
    import hashlib

    return hashlib.sha256(text.encode()).hexdigest()


def registry_from_environment(environment: Mapping[str, str] = os.environ) -> Registry | None:
    """The registry that `IMAGE_FUNCTIONS_REGISTRY` names, None when there is none.

    `IMAGE_FUNCTIONS_REGISTRY` is where the container engine reaches it (`localhost:4510`),
    `IMAGE_FUNCTIONS_REGISTRY_URL` where this process does, when that differs.
    """
    public_host = environment.get("IMAGE_FUNCTIONS_REGISTRY")
    if not public_host:
        return None
    url = environment.get("IMAGE_FUNCTIONS_REGISTRY_URL") or f"http://{public_host}"
    return Registry(url, public_host)
