"""Doors in a function's wall: bytes that come in at one socket go out at another."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Awaitable, Callable
from functools import cache

CHUNK_BYTES = 65_536

Close = Callable[[], None]


@cache
def _loop() -> asyncio.AbstractEventLoop:
    """One loop for all relays, on a thread of its own."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="relay", daemon=True).start()
    return loop


def relay(listener: socket.socket, host: str, port: int) -> Close:
    """Pass every connection that `listener` accepts on to `host`:`port`; returns how to stop."""

    async def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection(host, port)
        except OSError:
            writer.transport.abort()  # as refused as it gets once we have accepted
            return
        await asyncio.gather(_pump(reader, far_writer), _pump(far_reader, writer))

    return serve(listener, accepted, _loop())


def serve(
    listener: socket.socket,
    accepted: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None] | None],
    loop: asyncio.AbstractEventLoop,
    backlog: int = 128,
) -> Close:
    """Call `accepted` on `loop` for every connection; returns how to stop listening. `backlog`
    connections may wait to be accepted."""

    async def start() -> asyncio.Server:
        return await asyncio.start_server(accepted, sock=listener, backlog=backlog)

    server = asyncio.run_coroutine_threadsafe(start(), loop).result()

    def close() -> None:
        with contextlib.suppress(RuntimeError):  # the loop ended with the emulator
            loop.call_soon_threadsafe(server.close)

    return close


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(CHUNK_BYTES):
            writer.write(data)
            await writer.drain()
    except OSError:
        writer.transport.abort()
        return
    with contextlib.suppress(OSError, RuntimeError):
        if writer.can_write_eof():
            writer.write_eof()
        else:
            writer.close()
