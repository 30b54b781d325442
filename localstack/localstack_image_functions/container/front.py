"""The registry as `docker push` and `docker pull` meet it: with ECR's rules before it.

The CNCF registry behind takes anything from anyone. This server asks for the password of
`get-authorization-token`, knows which repositories exist and which tags may not move, and
passes the rest on, byte for byte.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import logging
import re
import threading
from collections.abc import Iterable, Iterator, Mapping
from email.message import Message
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BufferedIOBase
from types import MappingProxyType
from typing import Protocol
from urllib.parse import parse_qs, urlencode, urlsplit

from localstack_image_functions.container.registry import INDEXES, SINGLE_IMAGES
from localstack_image_functions.container.tokens import Identity, RegistryTokens

LOG = logging.getLogger(__name__)

PORT = 4510
MAX_MANIFEST_BYTES = 4 * 2**20
CHUNK_BYTES = 1 << 18
BACKEND_TIMEOUT_S = 300
_PATH = re.compile(r"/v2/(?P<repository>.+?)/(?P<kind>manifests|blobs|tags|referrers)/(?P<rest>.*)")
_READS = frozenset({"GET", "HEAD"})
# Of one connection alone, or ours to say.
_NOT_PASSED_ON = frozenset(
    {"host", "authorization", "connection", "expect", "transfer-encoding", "keep-alive", "date"}
)


class Repositories(Protocol):
    """What ECR knows of the repositories in the registry."""

    def exists(self, identity: Identity, repository: str) -> bool:
        """Whether that account has it in that region."""

    def names(self, identity: Identity) -> Iterable[str]:
        """Those of that account and region."""

    def kept_digest(self, identity: Identity, repository: str, tag: str) -> str | None:
        """The image under a tag that may not move; None when it may."""

    def pushed(self, identity: Identity, repository: str) -> None:
        """An image has just come into it."""


class Refused(Exception):
    """An answer in the form of the registry's own errors."""

    def __init__(self, status: HTTPStatus, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message

    @property
    def body(self) -> bytes:
        return json.dumps({"errors": [{"code": self.code, "message": self.message}]}).encode()


def _whole_layer(path: str) -> str:
    """The digest of a layer that comes with the request to begin its upload."""
    url = urlsplit(path)
    ours = url.path.endswith("/blobs/uploads/")
    return parse_qs(url.query).get("digest", [""])[0] if ours else ""


def catalog(names: Iterable[str]) -> bytes:
    """The registry's list of repositories."""
    return json.dumps({"repositories": sorted(names)}).encode()


def unknown_repository(identity: Identity, repository: str) -> Refused:
    """The answer about a repository that the account does not have in its region."""
    return Refused(
        HTTPStatus.NOT_FOUND,
        "NAME_UNKNOWN",
        f"The repository with name '{repository}' does not exist in the registry with id "
        f"'{identity.account}'",
    )


class Answered(Exception):
    """What is known here, and not asked of the registry behind."""

    def __init__(self, body: bytes) -> None:
        super().__init__()
        self.body = body


class RegistryFront:
    """Listens on `address`; `backend` is the registry's own `host:port`."""

    def __init__(
        self,
        address: tuple[str, int],
        backend: str,
        tokens: RegistryTokens,
        repositories: Repositories,
    ) -> None:
        self._server = _Server(address, backend, tokens, repositories)
        threading.Thread(
            target=self._server.serve_forever, name="registry-front", daemon=True
        ).start()

    @property
    def port(self) -> int:
        return self._server.server_address[1]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(
        self,
        address: tuple[str, int],
        backend: str,
        tokens: RegistryTokens,
        repositories: Repositories,
    ) -> None:
        self.backend = backend
        self.tokens = tokens
        self.repositories = repositories
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        # HTTPServer's would look up the host's name, which can take seconds.
        self.socket.bind(self.server_address)
        bound = self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = bound[:2]

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes in the middle of a layer tries again by itself."""
        LOG.debug("registry: connection of %s broke", client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, *_: object) -> None:
        """Silence: a push makes dozens of requests."""

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def do_PUT(self) -> None:
        self._answer()

    def do_PATCH(self) -> None:
        self._answer()

    def do_DELETE(self) -> None:
        self._answer()

    def _answer(self) -> None:
        body = _Body(self.headers, self.rfile)
        try:
            path, content = self._allowed(body)
        except Answered as answered:
            self._say(HTTPStatus.OK, answered.body)
            return
        except Refused as refused:
            # Where the rest of an unread body would be taken for the next request.
            self.close_connection = self.close_connection or not body.is_read
            self._refuse(refused)
            return
        self._pass_on(path, content, body)

    def _allowed(self, body: _Body) -> tuple[str, bytes | None]:
        """The path to ask the registry for, and the body if it had to be read to know.

        Raises
        ------
        Refused
        """
        identity = self.server.tokens.identity(self.headers.get("Authorization", ""))
        url = urlsplit(self.path)
        if identity is None:
            raise Refused(HTTPStatus.UNAUTHORIZED, "UNAUTHORIZED", "authentication required")
        if url.path == "/v2/":
            return self.path, None
        if url.path == "/v2/_catalog" and self.command == "GET" and not identity.engine:
            raise Answered(catalog(self.server.repositories.names(identity)))
        match = _PATH.fullmatch(url.path)
        if match is None:
            raise Refused(HTTPStatus.NOT_FOUND, "UNSUPPORTED", "the operation is unsupported")
        if self.command == "DELETE" and match["kind"] != "blobs":
            raise Refused(
                HTTPStatus.METHOD_NOT_ALLOWED, "UNSUPPORTED", "delete images through ECR's API"
            )
        self._check_repository(identity, match["repository"])
        if self.command == "PUT" and match["kind"] == "manifests":
            content = body.read(MAX_MANIFEST_BYTES)
            self._check_tag(identity, match["repository"], match["rest"], content)
            return self.path, content
        source = parse_qs(url.query).get("from", [""])[0]
        if source and not self.server.repositories.exists(identity, source):
            return url.path, None  # not a layer of somebody else's: it is uploaded instead
        return self.path, None

    def _check_repository(self, identity: Identity, repository: str) -> None:
        if identity.engine:
            if self.command not in _READS:
                raise Refused(HTTPStatus.FORBIDDEN, "DENIED", "the emulator itself only pulls")
        elif not self.server.repositories.exists(identity, repository):
            raise unknown_repository(identity, repository)

    def _check_tag(self, identity: Identity, repository: str, tag: str, manifest: bytes) -> None:
        kept = self.server.repositories.kept_digest(identity, repository, tag)
        if kept is not None and kept != "sha256:" + hashlib.sha256(manifest).hexdigest():
            raise Refused(
                HTTPStatus.BAD_REQUEST,
                "TAG_INVALID",
                f"The image tag '{tag}' already exists in the '{repository}' repository and "
                "cannot be overwritten because the tag is immutable.",
            )

    def _pass_on(self, path: str, content: bytes | None, body: _Body) -> None:
        headers = {
            name: value
            for name, value in self.headers.items()
            if name.lower() not in _NOT_PASSED_ON
        }
        if self.headers.get("Accept", "*/*") == "*/*":
            # Who takes anything gets what was pushed, and not what older registries make of it.
            headers["Accept"] = ", ".join((*SINGLE_IMAGES, *INDEXES, "*/*"))
        connection = http.client.HTTPConnection(self.server.backend, timeout=BACKEND_TIMEOUT_S)
        method = self.command
        try:
            if method == "POST" and _whole_layer(path):
                method, path = "PUT", self._begun(connection, path)
            if content is not None:
                headers["Content-Length"] = str(len(content))
                connection.request(method, path, content, headers)
            elif body.is_chunked:
                connection.request(method, path, body.pieces(), headers, encode_chunked=True)
            else:
                connection.request(method, path, body.pieces(), headers)
            answer = connection.getresponse()
            if content is not None and answer.status < HTTPStatus.MULTIPLE_CHOICES:
                self._tell_ecr()
            self._relay(answer)
        except (OSError, http.client.HTTPException) as error:
            LOG.warning("the registry behind ECR: %s %s: %s", self.command, path, error)
            self.close_connection = True
            self._refuse(
                Refused(HTTPStatus.BAD_GATEWAY, "UNKNOWN", f"the registry does not answer: {error}")
            )
        finally:
            connection.close()

    def _tell_ecr(self) -> None:
        """Of the manifest that this request has put: when it was pushed is what ECR says later."""
        identity = self.server.tokens.identity(self.headers.get("Authorization", ""))
        match = _PATH.fullmatch(urlsplit(self.path).path)
        if identity and match:
            self.server.repositories.pushed(identity, match["repository"])

    def _begun(self, connection: http.client.HTTPConnection, path: str) -> str:
        """Begin an upload, which the registry wants done before a layer comes; where it goes on."""
        connection.request("POST", urlsplit(path).path, headers={"Content-Length": "0"})
        answer = connection.getresponse()
        answer.read()
        if answer.status != HTTPStatus.ACCEPTED:
            raise http.client.HTTPException(f"no upload was begun: {answer.status}")
        url = urlsplit(answer.headers["Location"])
        return f"{url.path}?{url.query}&{urlencode({'digest': _whole_layer(path)})}"

    def _relay(self, answer: http.client.HTTPResponse) -> None:
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in _NOT_PASSED_ON:
                self.send_header(name, self._ours(value) if name == "Location" else value)
        has_length = answer.getheader("Content-Length") is not None or self.command == "HEAD"
        if not has_length and answer.status not in (204, 304):
            self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        if self.command == "HEAD":
            return
        while piece := answer.read(CHUNK_BYTES):
            frame = b"%x\r\n%b\r\n" % (len(piece), piece)
            self.wfile.write(piece if has_length else frame)
        if not has_length and answer.status not in (204, 304):
            self.wfile.write(b"0\r\n\r\n")

    def _ours(self, location: str) -> str:
        """Where the client goes on: here, not at the registry's own address."""
        url = urlsplit(location)
        return url._replace(scheme="", netloc="").geturl()

    def _refuse(self, refused: Refused) -> None:
        realm = f'Basic realm="http://{self.headers.get("Host", "")}/",service="ecr.amazonaws.com"'
        asks = refused.status is HTTPStatus.UNAUTHORIZED
        self._say(refused.status, refused.body, {"Www-Authenticate": realm} if asks else {})

    def _say(
        self, status: HTTPStatus, body: bytes, headers: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Docker-Distribution-Api-Version", "registry/2.0")
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


class _Body:
    """A request's body, read piece by piece."""

    def __init__(self, headers: Message, stream: BufferedIOBase) -> None:
        self._stream = stream
        self.is_chunked = "chunked" in headers.get("Transfer-Encoding", "").lower()
        length = headers.get("Content-Length") or "0"
        self._left = int(length) if length.isdecimal() else 0
        self.is_read = not self.is_chunked and self._left == 0

    def read(self, max_bytes: int) -> bytes:
        found = bytearray()
        for piece in self.pieces():
            found += piece
            if len(found) > max_bytes:
                raise Refused(
                    HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "MANIFEST_INVALID", "too large a manifest"
                )
        return bytes(found)

    def pieces(self) -> Iterator[bytes]:
        yield from self._chunks() if self.is_chunked else self._exactly(self._left)
        self.is_read = True

    def _chunks(self) -> Iterator[bytes]:
        read_line = self._stream.readline
        while size := int(read_line(1024).partition(b";")[0].strip(), 16):
            yield from self._exactly(size)
            read_line(1024)
        while read_line(65_536).strip():
            pass  # trailers

    def _exactly(self, size: int) -> Iterator[bytes]:
        while size:
            piece = self._stream.read(min(size, CHUNK_BYTES))
            if not piece:
                raise ConnectionResetError("the body ended early")
            size -= len(piece)
            yield piece
