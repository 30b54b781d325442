"""ECR's operations on single layers, which the API has beside what `docker push` speaks."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import quote

from localstack_image_functions.container.ecr_errors import EcrError
from localstack_image_functions.container.registry import RegistryRefused
from localstack_image_functions.container.tokens import USER, Identity, tokens

PART_BYTES = 10 * 2**20
LEAST_PART_BYTES = 5 * 2**20
MOST_UPLOADS = 1000
"""Begun and not completed; the oldest goes, as on AWS after a day."""

Request = Mapping[str, Any]


@dataclass
class _Upload:
    repository: str
    location: str
    parts: list[int] = field(default_factory=list)

    @property
    def received(self) -> int:
        return sum(self.parts)


class LayerKeeper(Protocol):
    """What keeps layers; each is told of by a `place`, which a repository has."""

    public_host: str

    def place(self, repository: Any) -> str: ...
    def has_blob(self, place: str, digest: str) -> int | None: ...
    def begin_upload(self, place: str) -> str: ...
    def append(self, location: str, start: int, data: bytes, /) -> str: ...
    def finish_upload(self, location: str, digest: str, /) -> None: ...


class Layers:
    """Uploads part by part, and where to get a layer.

    `repository_of` finds moto's repository for a context and a request, or raises ECR's error.
    """

    def __init__(self, registry: LayerKeeper, repository_of: Callable[[Any, Request], Any]) -> None:
        self._registry = registry
        self._repository_of = repository_of
        self._uploads: dict[str, _Upload] = {}
        self._lock = threading.Lock()

    def handlers(self) -> dict[str, Callable[[Any, Request], dict[str, Any]]]:
        """Operation name -> handler."""
        return {
            "InitiateLayerUpload": self._initiate,
            "UploadLayerPart": self._part,
            "CompleteLayerUpload": self._complete,
            "GetDownloadUrlForLayer": self._download_url,
            "BatchCheckLayerAvailability": self._availability,
        }

    def _initiate(self, context: Any, request: Request) -> dict[str, Any]:
        repository = self._repository_of(context, request)
        number = str(uuid.uuid4())
        with self._lock:
            location = self._registry.begin_upload(self._registry.place(repository))
            self._uploads[number] = _Upload(repository.name, location)
            if len(self._uploads) > MOST_UPLOADS:
                del self._uploads[next(iter(self._uploads))]
        return {"uploadId": number, "partSize": PART_BYTES}

    def _part(self, context: Any, request: Request) -> dict[str, Any]:
        repository, data = self._repository_of(context, request), request["layerPartBlob"]
        first, last = request["partFirstByte"], request["partLastByte"]
        with self._lock:
            upload = self._upload(repository.name, request["uploadId"])
            if first != upload.received or last - first + 1 != len(data) or not data:
                raise EcrError(
                    "InvalidLayerPartException",
                    f"The part of bytes {first} to {last} holds {len(data)} bytes and should begin "
                    f"with byte {upload.received}, after what was received.",
                )
            upload.location = self._registry.append(upload.location, first, data)
            upload.parts.append(len(data))
        return {**_whose(repository, request), "lastByteReceived": last}

    def _complete(self, context: Any, request: Request) -> dict[str, Any]:
        repository, digest = self._repository_of(context, request), request["layerDigests"][0]
        with self._lock:
            upload = self._upload(repository.name, request["uploadId"])
            if not upload.parts:
                raise EcrError("EmptyUploadException", "The upload holds no part of a layer.")
            if any(size < LEAST_PART_BYTES for size in upload.parts[:-1]):
                raise EcrError(
                    "LayerPartTooSmallException",
                    f"Each part but the last must hold {LEAST_PART_BYTES} bytes at least.",
                )
            if self._registry.has_blob(self._registry.place(repository), digest) is not None:
                raise EcrError(
                    "LayerAlreadyExistsException",
                    f"The layer '{digest}' already exists in the repository '{repository.name}'.",
                )
            try:
                self._registry.finish_upload(upload.location, digest)
            except RegistryRefused as error:
                raise EcrError(
                    "InvalidLayerException", f"What was uploaded is not '{digest}': {error}"
                ) from error
            finally:
                del self._uploads[request["uploadId"]]
        return {**_whose(repository, request), "layerDigest": digest}

    def _download_url(self, context: Any, request: Request) -> dict[str, Any]:
        """An address that works as it is, as AWS's does: with the caller's own password in it."""
        repository, digest = self._repository_of(context, request), request["layerDigest"]
        if self._registry.has_blob(self._registry.place(repository), digest) is None:
            raise EcrError(
                "LayersNotFoundException",
                f"The layer '{digest}' is not in the repository '{repository.name}'.",
            )
        password, _ = tokens.issue(Identity(context.account_id, context.region))
        host = f"{USER}:{quote(password, safe='')}@{self._registry.public_host}"
        return {
            "downloadUrl": f"http://{host}/v2/{repository.name}/blobs/{digest}",
            "layerDigest": digest,
        }

    def _availability(self, context: Any, request: Request) -> dict[str, Any]:
        repository = self._repository_of(context, request)
        layers = []
        for digest in request["layerDigests"]:
            size = self._registry.has_blob(self._registry.place(repository), digest)
            found = size is not None
            layers.append(
                {
                    "layerDigest": digest,
                    "layerAvailability": "AVAILABLE" if found else "UNAVAILABLE",
                    **({"layerSize": size} if found else {}),
                }
            )
        return {"layers": layers, "failures": []}

    def _upload(self, repository: str, number: str) -> _Upload:
        upload = self._uploads.get(number)
        if upload is None or upload.repository != repository:
            raise EcrError(
                "UploadNotFoundException",
                f"There is no upload '{number}' in the repository '{repository}'.",
            )
        return upload


def _whose(repository: Any, request: Request) -> dict[str, Any]:
    return {
        "registryId": repository.registry_id,
        "repositoryName": repository.name,
        "uploadId": request["uploadId"],
    }
