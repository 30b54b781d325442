"""ECR's image operations answered from the registry, joined with LocalStack and moto."""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from botocore.exceptions import ClientError
from localstack.aws.api import CommonServiceException, RequestContext
from localstack.aws.connect import connect_to
from localstack.services.moto import call_moto
from moto.ecr.models import Image, ecr_backends

from localstack_image_functions.bounds.images import unusable
from localstack_image_functions.container.ecr_errors import EcrError
from localstack_image_functions.container.front import PORT, RegistryFront
from localstack_image_functions.container.layers import Layers
from localstack_image_functions.container.registry import (
    Manifest,
    Registry,
    RegistryRefused,
)
from localstack_image_functions.container.tokens import USER, Identity, tokens
from localstack_image_functions.image_lifecycle import Previews
from localstack_image_functions.settings import read_settings

LOG = logging.getLogger(__name__)

Request = Mapping[str, Any]
CallMoto = Callable[[Any], dict[str, Any]]
Handler = Callable[[Any, Request], dict[str, Any]]


@dataclass
class Pushed:
    """An image of a repository: what ECR says of it."""

    manifest: Manifest
    tags: list[str] = field(default_factory=list)


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
            "DescribeImageScanFindings": self._after_sync,
            "PutImage": self._put_image,
            "BatchDeleteImage": self._batch_delete_image,
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
        digest = "sha256:" + hashlib.sha256(text.encode()).hexdigest()
        if request.get("imageDigest") not in (None, digest):
            raise EcrError(
                "ImageDigestDoesNotMatchException",
                f"The digest of the image manifest is {digest}, not {request['imageDigest']}",
            )
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
        endpoint = {"proxyEndpoint": f"http://{self._registry.public_host}"}
        return {"authorizationData": [password_for(context) | endpoint]}

    def _name_registry(self, repositories: Iterable[dict[str, Any]]) -> None:
        for repository in repositories:
            repository["repositoryUri"] = self._registry.uri(repository["repositoryName"])


def password_for(context: Any) -> dict[str, Any]:
    """What opens the registry of the caller's account and region, and until when."""
    password, expires = tokens.issue(Identity(context.account_id, context.region))
    token = base64.b64encode(f"{USER}:{password}".encode()).decode()
    return {"authorizationToken": token, "expiresAt": expires}


def pushed_images(registry: Registry, repository: str) -> dict[str, Pushed]:
    """Every tagged image in the registry, by digest."""
    found: dict[str, Pushed] = {}
    for tag in registry.tags(repository):
        manifest = registry.manifest(repository, tag)
        if manifest is not None:  # deleted since the tags were listed
            found.setdefault(manifest.digest, Pushed(manifest)).tags.append(tag)
    return found


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
    why = unusable(image_id) or {
        "failureCode": "ImageNotFound",
        "failureReason": "Requested image not found",
    }
    return {"imageId": dict(image_id), **why}


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


class RegistryImage(Image):
    """moto's image, with the digest and size that the registry knows."""

    def __init__(self, repository: Any, manifest: Manifest) -> None:
        super().__init__(
            account_id=repository.account_id,
            tag=None,
            manifest=manifest.text,
            repository=repository.name,
            image_manifest_mediatype=manifest.media_type,
            digest=manifest.digest,
        )
        self._size_bytes = manifest.size_bytes

    def get_image_size_in_bytes(self) -> int:
        return self._size_bytes


class KnownRepositories:
    """What the registry's front asks of moto's ECR and of the registry behind."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def exists(self, identity: Identity, repository: str) -> bool:
        return self._find(identity, repository) is not None

    def names(self, identity: Identity) -> Iterable[str]:
        return list(ecr_backends[identity.account][identity.region].repositories)

    def kept_digest(self, identity: Identity, repository: str, tag: str) -> str | None:
        found = self._find(identity, repository)
        if found is None or not found.is_tag_immutable() or tag.startswith("sha256:"):
            return None
        manifest = self._registry.manifest(repository, tag)
        return manifest.digest if manifest else None

    def pushed(self, identity: Identity, repository: str) -> None:
        """Let ECR look, which takes what it sees for the first time for pushed then."""
        client = connect_to(aws_access_key_id=identity.account, region_name=identity.region).ecr
        try:
            client.list_images(repositoryName=repository)
        except ClientError as error:
            LOG.warning("ECR does not know what was pushed to %s: %s", repository, error)

    def _find(self, identity: Identity, repository: str) -> Any | None:
        backend = ecr_backends[identity.account][identity.region]
        return backend.repositories.get(repository)


def registry_operations(registry: Registry) -> dict[str, Handler]:
    """Handlers for a LocalStack skeleton, by operation name."""
    join = EcrJoin(registry, call_moto, repository_of, RegistryImage)
    handlers = join.handlers() | Layers(registry, repository_of).handlers()
    own = {name: translating(handler) for name, handler in handlers.items()}
    return own | on_images(join.sync)


def on_images(repository: Callable[[Any, Request], Any] | None = None) -> dict[str, Handler]:
    """Handlers of what looks at the images of moto's repository, with a registry and without."""
    found = repository or repository_of

    def no_scan(context: Any, request: Request) -> Any:
        """Nothing here knows vulnerabilities; moto reports one of every image."""
        asked = request["imageId"]
        found(context, request)._get_image(asked.get("imageTag"), asked.get("imageDigest"))
        raise EcrError(
            "UnsupportedImageTypeException",
            f"Images of {request['repositoryName']} are not scanned by this emulator.",
        )

    handlers = Previews(found, EcrError, read_settings().day_s).handlers()
    handlers["StartImageScan"] = no_scan
    return {name: translating(handler) for name, handler in handlers.items()}


def repository_of(context: RequestContext, request: Mapping[str, Any]) -> Any:
    """moto's repository of that name in the caller's account and region, or moto's own error."""
    backend = ecr_backends[context.account_id][context.region]
    return backend._get_repository(request["repositoryName"], request.get("registryId"))


def translating(handler: Callable[..., Any]) -> Callable[..., Any]:
    """The handler, its errors and moto's in the form that LocalStack answers with."""
    from moto.core.exceptions import ServiceException

    def handle(context: RequestContext, request: Mapping[str, Any]) -> Any:
        try:
            return handler(context, request)
        except EcrError as error:
            raise CommonServiceException(code=error.code, message=str(error)) from error
        except ServiceException as error:  # moto's own, from outside its request handling
            raise CommonServiceException(
                code=type(error).code or type(error).__name__, message=error.message
            ) from error

    return handle


def serve_registry(registry: Registry, address: str) -> RegistryFront | None:
    """Serve the registry with ECR's rules before it; None where it has no other address.

    Then pushes go to the registry itself, past ECR's rules; the log says so.
    """
    if registry.is_public:
        LOG.warning(
            "IMAGE_FUNCTIONS_REGISTRY_URL is not set: whoever reaches the registry at %s may "
            "push what they like",
            registry.public_host,
        )
        return None
    backend = urlsplit(registry.url).netloc
    return RegistryFront((address, PORT), backend, tokens, KnownRepositories(registry))
