"""A proxy that answers nobody and remembers who asked."""

from __future__ import annotations

import socket
import threading

VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


class BlackHole:
    """Listens on loopback and hangs up. Use as a context manager."""

    def __enter__(self) -> BlackHole:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.asked: list[str] = []
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    @property
    def environment(self) -> dict[str, str]:
        """What makes every program that heeds proxies ask this one."""
        url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        return {name: url for upper in VARIABLES for name in (upper, upper.lower())}

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            with client:
                client.settimeout(5)
                self.asked.append(client.recv(200).decode(errors="replace").split("\r\n")[0])
