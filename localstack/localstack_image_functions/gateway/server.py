"""Serves LocalStack's gateway with a thread per connection (GATEWAY_SERVER=threads).

The servers that LocalStack brings run an event loop and hand each request to a thread: body,
head and every piece of an answer then cross from one to the other, which costs more than most
requests do. hypercorn closes each connection after its answer besides, and twisted listens on
all interfaces. Here a connection stays open, and one thread does everything that comes by it.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Mapping
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import unquote_to_bytes, urlsplit

from localstack.runtime.server.core import RuntimeServer
from rolo.gateway import Gateway
from rolo.gateway.wsgi import WsgiGateway

from localstack import config
from localstack_image_functions.gateway.body import NotFramed, RequestBody, request_body
from localstack_image_functions.long_polls import CLIENT_GONE, hung_up

LOG = logging.getLogger(__name__)
IDLE_CONNECTION_S = 75.0
"""How long a connection stays open without a request: longer than clients pause between two.
One that is closed just as its client sends again costs a retry."""

LOOK_FOR_SIGNALS_S = 1.0
TLS_HANDSHAKE = b"\x16"
BACKLOG = 512
_BODILESS = {204, 304}
FROM_FUNCTION = "image_functions.from_function"
"""In the WSGI environment of what came in by a function's door."""

Headers = list[tuple[str, str]]
Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
Close = Callable[[], None]


class ThreadServer(RuntimeServer):
    """LocalStack's gateway on the addresses of GATEWAY_LISTEN, plain and TLS on one port."""

    def __init__(self) -> None:
        self._ended = threading.Event()
        self._closers: list[Close] = []
        self._gateway: Application | None = None

    def register(
        self,
        gateway: Gateway,
        listen: list[config.HostAndPort],
        ssl_creds: tuple[str, str] | None = None,
    ) -> None:
        self._gateway = WsgiGateway(gateway)
        tls = _tls_context(*ssl_creds) if ssl_creds else None
        for address in listen:
            family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
            listener = socket.create_server(
                (address.host, address.port), family=family, backlog=BACKLOG
            )
            self._closers.append(serve_connections(listener, self._gateway, tls))

    def accept_on(self, listener: socket.socket) -> Close:
        """Serve the gateway on one more socket; returns how to stop.

        Raises
        ------
        RuntimeError
            When the gateway does not serve yet.
        """
        if self._gateway is None:
            raise RuntimeError("the gateway does not serve yet")
        return serve_connections(listener, self._gateway, known={FROM_FUNCTION: True})

    def run(self) -> None:
        # The kernel may hand a signal to another thread than this one, the main one. Python then
        # runs its handler when this one next runs.
        while not self._ended.wait(LOOK_FOR_SIGNALS_S):
            pass

    def shutdown(self) -> None:
        for close in self._closers:
            close()
        self._ended.set()


@functools.cache
def thread_server() -> ThreadServer:
    """The emulator's one server."""
    return ThreadServer()


def _tls_context(certificate: str, key: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


def serve_connections(
    listener: socket.socket,
    application: Application,
    tls: ssl.SSLContext | None = None,
    known: Mapping[str, Any] | None = None,
) -> Close:
    """Answer what connects to `listener`; returns how to stop listening. Takes no time.

    `known` goes into the WSGI environment of each request.
    """

    def accept() -> None:
        while True:
            try:
                connection, address = listener.accept()
            except OSError:
                if listener.fileno() < 0 or ended.is_set():
                    return
                LOG.exception("the gateway could not accept a connection")
                ended.wait(0.1)  # out of descriptors: some are given back in a moment
                continue
            threading.Thread(
                target=_talk,
                args=(connection, address, application, tls, known or {}),
                name=f"gateway-{address[1]}",
                daemon=True,
            ).start()

    ended = threading.Event()
    listener.listen(BACKLOG)
    threading.Thread(target=accept, name="gateway-accept", daemon=True).start()

    def close() -> None:
        ended.set()
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
        listener.close()

    return close


def _talk(
    connection: socket.socket,
    address: Any,
    application: Application,
    tls: ssl.SSLContext | None,
    known: Mapping[str, Any],
) -> None:
    """Serve one connection until its end; a client that misbehaves is its own concern."""
    try:
        connection.settimeout(IDLE_CONNECTION_S)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls and connection.recv(1, socket.MSG_PEEK) == TLS_HANDSHAKE:
            connection = tls.wrap_socket(connection, server_side=True)
        _Connection(connection, address, application, known)
    except OSError as error:  # TLS errors are OSErrors, too
        LOG.debug("connection of %s ended: %r", address, error)
    except Exception:
        LOG.exception("connection of %s ended", address)
    finally:
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_WR)
        connection.close()


class _Connection(BaseHTTPRequestHandler):
    """HTTP/1.1 with a client; everything happens while it is made."""

    protocol_version = "HTTP/1.1"
    # Buffered, so that head and body of an answer leave in one segment.
    wbufsize = -1

    def __init__(
        self,
        connection: socket.socket,
        address: Any,
        application: Application,
        known: Mapping[str, Any],
    ) -> None:
        self._application = application
        self._known = known
        self._here = connection.getsockname()
        # The base class only keeps what would be its server.
        super().__init__(connection, address, None)  # type: ignore[arg-type]

    def log_message(self, *_: object) -> None:
        """Silence: LocalStack logs requests."""

    def handle_expect_100(self) -> bool:
        handled = super().handle_expect_100()
        self.wfile.flush()
        return handled

    def __getattr__(self, name: str) -> Callable[[], None]:
        """Every method is the gateway's concern."""
        if name.startswith("do_"):
            return self._serve
        raise AttributeError(name)

    def _serve(self) -> None:
        try:
            body = request_body(self.rfile, self.headers)
        except NotFramed as error:
            self.close_connection = True
            self.send_error(400, str(error))
            return
        answer = _Answer()
        pieces = self._application(self._environment(body), answer.start)
        try:
            self._send(answer, pieces)
            self.wfile.flush()
        except BaseException:
            self.close_connection = True
            raise
        finally:
            close = getattr(pieces, "close", None)
            if close:
                close()
        if not body.drain():
            self.close_connection = True

    def _send(self, answer: _Answer, pieces: Iterable[bytes]) -> None:
        self._send_head(answer)
        has_no_body = self.command == "HEAD" or answer.status in _BODILESS
        is_chunked = not has_no_body and answer.value_of("content-length") is None
        if is_chunked and self.request_version == "HTTP/1.0":
            is_chunked, self.close_connection = False, True
        if is_chunked:
            self.send_header("Transfer-Encoding", "chunked")
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if has_no_body:
            return
        for piece in pieces:
            if is_chunked and piece:
                self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
                self.wfile.flush()  # a stream's reader waits for each event
            elif piece:
                self.wfile.write(piece)
        if is_chunked:
            self.wfile.write(b"0\r\n\r\n")

    def _send_head(self, answer: _Answer) -> None:
        self.send_response_only(answer.status, answer.reason)
        if answer.value_of("date") is None:
            self.send_header("Date", self.date_time_string())
        for name, value in answer.headers:
            if name.lower() != "connection":
                self.send_header(name, value)
            elif value.lower() == "close":
                self.close_connection = True

    def _environment(self, body: RequestBody) -> dict[str, Any]:
        """The WSGI environment, with what rolo adds to it."""
        target = self.requestline.split()[1]  # `path` has lost all but one of its first slashes
        path, _, query = target.partition("?")
        if not path.startswith("/"):
            path = urlsplit(path).path
        connection = self.connection
        environment: dict[str, Any] = {
            "REQUEST_METHOD": self.command,
            "SCRIPT_NAME": "",
            "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
            "QUERY_STRING": query,
            "RAW_URI": target,
            "REQUEST_URI": target,
            "SERVER_NAME": self._here[0],
            "SERVER_PORT": str(self._here[1]),
            "SERVER_PROTOCOL": self.request_version,
            "REMOTE_ADDR": self.client_address[0],
            "REMOTE_PORT": str(self.client_address[1]),
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "https" if isinstance(connection, ssl.SSLSocket) else "http",
            "wsgi.errors": _NOWHERE,
            "wsgi.input": body,
            "wsgi.input_terminated": True,
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
            CLIENT_GONE: lambda: hung_up(connection.fileno()),
            **self._known,
        }
        raw = []
        for name, value in self.headers.items():
            raw.append((name.encode("latin-1"), value.encode("latin-1")))
            key = name.upper().replace("-", "_")
            if key not in ("CONTENT_TYPE", "CONTENT_LENGTH"):
                key = f"HTTP_{key}"
            known = environment.get(key)
            environment[key] = value if known is None else f"{known},{value}"
        environment["rolo.headers"] = environment["asgi.headers"] = raw
        return environment


class _Answer:
    """What the application said before its body."""

    def __init__(self) -> None:
        self.status, self.reason = 500, ""
        self.headers: Headers = []

    def start(self, status: str, headers: Headers, _exc_info: Any = None) -> None:
        code, _, self.reason = status.partition(" ")
        self.status, self.headers = int(code), headers

    def value_of(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name), None)


class _Nowhere:
    """`wsgi.errors`: LocalStack logs what is worth it."""

    def write(self, _: str) -> None: ...
    def flush(self) -> None: ...


_NOWHERE = _Nowhere()
