"""The registry's protocol on the gateway's port, where no registry stands behind ECR.

What `docker push` and `docker pull` speak, asked for the password of `get-authorization-token`
as ECR does. Layers lie in the store of layers, manifests in ECR itself.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

from botocore.exceptions import ClientError
from localstack.aws.connect import connect_to
from moto.ecr.models import ecr_backends
from werkzeug.datastructures import Headers

from localstack_image_functions.container.front import (
    CHUNK_BYTES,
    MAX_MANIFEST_BYTES,
    Refused,
    catalog,
    unknown_repository,
)
from localstack_image_functions.container.registry import RegistryRefused
from localstack_image_functions.container.tokens import Identity
from localstack_image_functions.process.layers import LayerStore, place_of

_PATH = re.compile(
    r"/v2/(?P<repository>.+?)/(?P<kind>manifests|blobs/uploads|blobs|tags)/(?P<rest>.*)"
)
NOTHING: Mapping[str, str] = MappingProxyType({})
_REFUSALS = {
    "RepositoryNotFoundException": (HTTPStatus.NOT_FOUND, "NAME_UNKNOWN"),
    "ImageTagAlreadyExistsException": (HTTPStatus.BAD_REQUEST, "TAG_INVALID"),
    "ImageNotFoundException": (HTTPStatus.NOT_FOUND, "MANIFEST_UNKNOWN"),
}


class Pushes:
    """Answers the registry's protocol for whoever `identity` is, from `layers` and ECR."""

    def __init__(self, layers: LayerStore) -> None:
        self._layers = layers

    def answer(self, identity: Identity, request: Any, response: Any) -> None:
        """Answer one request.

        Raises
        ------
        Refused
            When it can't be done; the answer then says why.
        """
        if request.path in ("/v2", "/v2/"):
            _say(response, HTTPStatus.OK, b"{}")
            return
        if request.path == "/v2/_catalog":
            _say(response, HTTPStatus.OK, catalog(_repositories(identity)))
            return
        match = _PATH.fullmatch(request.path)
        method = "GET" if request.method == "HEAD" else request.method
        handler = match and _HANDLERS.get((match["kind"], method))
        if not match or not handler:
            raise Refused(HTTPStatus.NOT_FOUND, "UNSUPPORTED", "the operation is unsupported")
        if match["repository"] not in _repositories(identity):
            raise unknown_repository(identity, match["repository"])
        handler(self, _Asked(identity, match["repository"], match["rest"], request), response)

    def _begin(self, asked: _Asked, response: Any) -> None:
        """An upload, a layer at once (`digest`), or another repository's (`mount`, `from`)."""
        mount, source = (asked.argument(name) for name in ("mount", "from"))
        if mount and source and self._layers.mount(asked.place, mount, asked.place_of(source)):
            self._kept(asked, mount, response)
            return
        number = self._layers.begin_upload(asked.place)
        if asked.argument("digest"):
            asked.rest = number
            self._finish(asked, response)
            return
        self._goes_on(asked, number, response)

    def _append(self, asked: _Asked, response: Any) -> None:
        """The next bytes of an upload."""
        number = self._number(asked)
        begins = (asked.request.headers.get("Content-Range") or "").partition("-")[0]
        if begins and begins != str(self._layers.received(number, asked.place)):
            raise Refused(
                HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, "BLOB_UPLOAD_INVALID", "a gap"
            )
        self._take(asked, number)
        self._goes_on(asked, number, response)

    def _finish(self, asked: _Asked, response: Any) -> None:
        """The last bytes of an upload, if any, and the layer's digest."""
        number, digest = self._number(asked), asked.argument("digest")
        self._take(asked, number)
        try:
            self._layers.finish_upload(number, digest)
        except RegistryRefused as error:
            raise Refused(HTTPStatus.BAD_REQUEST, "DIGEST_INVALID", str(error)) from error
        self._kept(asked, digest, response)

    def _progress(self, asked: _Asked, response: Any) -> None:
        """How far an upload has come."""
        self._goes_on(asked, self._number(asked), response, HTTPStatus.NO_CONTENT)

    def _cancel(self, asked: _Asked, response: Any) -> None:
        """Forget an upload."""
        self._layers.cancel(self._number(asked))
        _say(response, HTTPStatus.NO_CONTENT)

    def _layer(self, asked: _Asked, response: Any) -> None:
        """A layer's bytes."""
        size = self._layers.has_blob(asked.place, asked.rest)
        if size is None:
            raise Refused(HTTPStatus.NOT_FOUND, "BLOB_UNKNOWN", "blob unknown to registry")
        _say(response, HTTPStatus.OK, headers={"Docker-Content-Digest": asked.rest})
        response.headers["Content-Type"] = "application/octet-stream"
        response.headers["Content-Length"] = str(size)
        if asked.request.method != "HEAD":
            response.response = _pieces(self._layers.path(asked.place, asked.rest))

    def _put_manifest(self, asked: _Asked, response: Any) -> None:
        """An image under a tag, or under its digest alone; its layers have to be there."""
        content = asked.request.stream.read(MAX_MANIFEST_BYTES + 1)
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        try:
            text, manifest = content.decode(), json.loads(content)
            named = [manifest.get("config"), *manifest.get("layers", ())]
            lacking = self._layers.lacking(
                asked.place, [one["digest"] for one in named if one is not None]
            )
        except (ValueError, AttributeError, TypeError, KeyError) as error:
            raise Refused(HTTPStatus.BAD_REQUEST, "MANIFEST_INVALID", str(error)) from error
        if len(content) > MAX_MANIFEST_BYTES:
            raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "MANIFEST_INVALID", "too large")
        if lacking:
            raise Refused(HTTPStatus.NOT_FOUND, "BLOB_UNKNOWN", f"the layer {lacking} is not there")
        by_digest = asked.rest.startswith("sha256:")
        if by_digest and asked.rest != digest:
            raise Refused(HTTPStatus.BAD_REQUEST, "DIGEST_INVALID", f"its digest is {digest}")
        kind = asked.request.headers.get("Content-Type", "") or manifest.get("mediaType", "")
        asked.ecr(
            "put_image",
            quiet="ImageAlreadyExistsException",
            imageManifest=text,
            imageManifestMediaType=kind,
            imageDigest=digest,
            **({} if by_digest else {"imageTag": asked.rest}),
        )
        where = f"/v2/{asked.repository}/manifests/{digest}"
        _say(
            response,
            HTTPStatus.CREATED,
            headers={"Docker-Content-Digest": digest, "Location": where},
        )

    def _manifest(self, asked: _Asked, response: Any) -> None:
        """An image's manifest, byte for byte."""
        key = "imageDigest" if asked.rest.startswith("sha256:") else "imageTag"
        found = asked.ecr("batch_get_image", imageIds=[{key: asked.rest}])["images"]
        if not found:
            raise Refused(HTTPStatus.NOT_FOUND, "MANIFEST_UNKNOWN", "Requested image not found")
        text = found[0]["imageManifest"]
        kind = found[0].get("imageManifestMediaType") or json.loads(text).get("mediaType", "")
        digest = found[0]["imageId"]["imageDigest"]
        _say(response, HTTPStatus.OK, text.encode(), {"Docker-Content-Digest": digest})
        response.headers["Content-Type"] = kind

    def _tags(self, asked: _Asked, response: Any) -> None:
        """The repository's tags."""
        found = asked.ecr("list_images", filter={"tagStatus": "TAGGED"}, maxResults=1000)[
            "imageIds"
        ]
        content = {"name": asked.repository, "tags": sorted(one["imageTag"] for one in found)}
        _say(response, HTTPStatus.OK, json.dumps(content).encode())

    def _number(self, asked: _Asked) -> str:
        number = asked.rest.strip("/")
        if self._layers.received(number, asked.place) is None:
            raise Refused(HTTPStatus.NOT_FOUND, "BLOB_UPLOAD_UNKNOWN", "no such upload")
        return number

    def _take(self, asked: _Asked, number: str) -> None:
        while piece := asked.request.stream.read(CHUNK_BYTES):
            received = self._layers.received(number, asked.place)
            self._layers.append(number, received or 0, piece)

    def _kept(self, asked: _Asked, digest: str, response: Any) -> None:
        where = f"/v2/{asked.repository}/blobs/{digest}"
        _say(
            response,
            HTTPStatus.CREATED,
            headers={"Docker-Content-Digest": digest, "Location": where},
        )

    def _goes_on(
        self,
        asked: _Asked,
        number: str,
        response: Any,
        status: HTTPStatus = HTTPStatus.ACCEPTED,
    ) -> None:
        last = max((self._layers.received(number, asked.place) or 0) - 1, 0)
        where = f"/v2/{asked.repository}/blobs/uploads/{number}"
        told = {"Location": where, "Range": f"0-{last}", "Docker-Upload-UUID": number}
        _say(response, status, headers=told)


_HANDLERS: dict[tuple[str, str], Callable[[Pushes, _Asked, Any], None]] = {
    ("blobs/uploads", "POST"): Pushes._begin,
    ("blobs/uploads", "PATCH"): Pushes._append,
    ("blobs/uploads", "PUT"): Pushes._finish,
    ("blobs/uploads", "GET"): Pushes._progress,
    ("blobs/uploads", "DELETE"): Pushes._cancel,
    ("blobs", "GET"): Pushes._layer,
    ("manifests", "PUT"): Pushes._put_manifest,
    ("manifests", "GET"): Pushes._manifest,
    ("tags", "GET"): Pushes._tags,
}


class _Asked:
    """A request for something in a repository."""

    def __init__(self, identity: Identity, repository: str, rest: str, request: Any) -> None:
        self._identity = identity
        self.repository = repository
        self.rest = rest
        self.request = request
        self.place = self.place_of(repository)

    def place_of(self, repository: str) -> str:
        return place_of(self._identity.account, self._identity.region, repository)

    def argument(self, name: str) -> str:
        return str(self.request.args.get(name, ""))

    def ecr(self, operation: str, quiet: str = "", **parameters: Any) -> Any:
        """ECR's own operation on this repository; its errors in the registry's form."""
        client = connect_to(
            aws_access_key_id=self._identity.account, region_name=self._identity.region
        ).ecr
        try:
            return getattr(client, operation)(repositoryName=self.repository, **parameters)
        except ClientError as error:
            code, message = (error.response["Error"].get(key, "") for key in ("Code", "Message"))
            if code == quiet:
                return {}
            status, name = _REFUSALS.get(code, (HTTPStatus.BAD_REQUEST, "MANIFEST_INVALID"))
            raise Refused(status, name, message) from error


def _repositories(identity: Identity) -> Mapping[str, Any]:
    backend = ecr_backends[identity.account][identity.region]
    return backend.repositories


def _say(
    response: Any, status: HTTPStatus, body: bytes = b"", headers: Mapping[str, str] = NOTHING
) -> None:
    response.status_code = int(status)
    response.headers = Headers({"Docker-Distribution-Api-Version": "registry/2.0"})
    for name, value in headers.items():
        # What is in a path stays one path: a repository's name is the client's own text.
        response.headers[name] = quote(value, safe="/:-") if name == "Location" else value
    response.headers["Content-Type"] = "application/json"
    response.data = body


def _pieces(path: Any) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(CHUNK_BYTES):
            yield piece
