"""Clients of the cloud that are made once and kept small: they live as long as the server."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any

from cloud.credentials import emulator_core
from cloud.switch import Switch
from scripts.dashboard.lean import LeanSession

# Somebody waits in front of a page: what does not answer soon is told instead.
PATIENCE: dict[str, Any] = {
    "connect_timeout": 2,
    "read_timeout": 10,
    "retries": {"mode": "standard", "total_max_attempts": 2},
}


@dataclass(frozen=True)
class SharedClients(Switch):
    """A switch with one patient client of each service, for all threads. Each takes megabytes
    and milliseconds to make; what callers say of timeouts and retries is the server's to say."""

    _made: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(cls, switch: Switch) -> SharedClients:
        return cls(**{one.name: getattr(switch, one.name) for one in fields(Switch)})

    def client(self, service: str, **config: Any) -> Any:
        made = self._made.get(service)
        if made is None:
            made = self._made.setdefault(service, super().client(service, **PATIENCE))
        return made

    @cached_property
    def _session(self) -> Any:
        if self.is_aws:
            return self.identity.session()
        own = self.emulator_keys
        return LeanSession(emulator_core(own.access_key, own.secret_key))

    def let_go(self) -> None:
        """The lab may be another one, with other keys: the next client is made anew."""
        self._made.clear()
        self.__dict__.pop("account", None)
        self.renew()
