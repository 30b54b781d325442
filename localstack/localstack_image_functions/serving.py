"""What a request costs before any service sees it: connections stay open, threads are reused."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

IDLE_CONNECTION_S = 75.0
"""How long a connection stays open without a request. Longer than clients pause between two:
one that is closed just as its client sends again costs a retry."""


def keep_connections_open() -> None:
    """Let clients send more than one request over a connection, as AWS does.

    LocalStack with GATEWAY_SERVER=hypercorn closes each after its answer (its issue 6557 tells
    of 40 ms a request otherwise; asyncio has turned off Nagle's algorithm ever since Python
    3.6). A loop of eleven requests a clip then opens eleven connections, each looked at for
    TLS in a thread of its own.
    """
    from hypercorn.config import Config
    from localstack.aws import handlers
    from localstack.aws.app import LocalstackAwsGateway

    original = LocalstackAwsGateway.__init__

    def init(self: LocalstackAwsGateway, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        self.finalizers.remove(handlers.set_close_connection_header)

    LocalstackAwsGateway.__init__ = init  # type: ignore[method-assign]
    Config.keep_alive_timeout = IDLE_CONNECTION_S


def reuse_threads() -> None:
    """Let the pool that handles requests grow to its size instead of starting threads beside it.

    LocalStack takes an idle thread's permit to see whether there is one, and the executor takes
    a second one to use it: half of all requests start a thread that ends with them.
    """
    from localstack.utils.asyncio import AdaptiveThreadPool, DaemonAwareThreadPool
    from localstack.utils.threads import start_worker_thread

    def submit(
        self: AdaptiveThreadPool, fn: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> Future[Any]:
        has_idle = self._idle_semaphore._value > 0
        if has_idle or len(self._threads) < self._max_workers:
            return DaemonAwareThreadPool.submit(self, fn, *args, **kwargs)
        # Requests wait for each other, so none may wait for a thread.
        thread = start_worker_thread(lambda *_: fn(*args, **kwargs))
        return thread.result_future  # type: ignore[no-any-return]

    AdaptiveThreadPool.submit = submit  # type: ignore[method-assign,assignment]
