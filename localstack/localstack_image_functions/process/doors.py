"""Where a function in a network of its own reaches the emulator.

Connections that the function opens are accepted by the gateway itself, on a socket in the
function's network: no byte is copied once more for it.
"""

from __future__ import annotations

import logging
import socket
from typing import Any

from localstack_image_functions.runtime.relay import Close, relay, serve

LOG = logging.getLogger(__name__)


class GatewayDoor:
    """Lets the emulator's gateway accept on further sockets."""

    def __init__(self) -> None:
        self._app: Any = None
        self._loop: Any = None
        self._config: Any = None

    def found(self, app: Any, loop: Any, config: Any) -> None:
        """The ASGI application, event loop and configuration of hypercorn, once it serves."""
        self._app, self._loop, self._config = app, loop, config

    def open(self, listener: socket.socket, port: int) -> Close:
        """Serve `listener`; through a relay to `port` where the gateway is no hypercorn."""
        if self._app is None:
            return relay(listener, "127.0.0.1", port)
        from hypercorn.app_wrappers import ASGIWrapper
        from hypercorn.asyncio.tcp_server import TCPServer
        from hypercorn.asyncio.worker_context import WorkerContext

        app, context = ASGIWrapper(self._app), WorkerContext(None)

        async def accepted(reader: Any, writer: Any) -> None:
            await TCPServer(app, self._loop, self._config, context, {}, reader, writer)

        return serve(listener, accepted, self._loop, self._config.backlog)


gateway_door = GatewayDoor()
