"""Where a function in a network of its own reaches the emulator.

Connections that the function opens are accepted by the gateway itself, on a socket in the
function's network: no byte is copied once more for it.
"""

from __future__ import annotations

import socket

from localstack import config
from localstack_image_functions.runtime.relay import Close, relay


def open_door(listener: socket.socket, port: int) -> Close:
    """Let the gateway answer on `listener`; through a relay to `port` where its server can't."""
    if config.GATEWAY_SERVER != "threads":
        return relay(listener, "127.0.0.1", port)
    from localstack_image_functions.gateway.server import thread_server

    return thread_server().accept_on(listener)
