"""Clients of the cloud that are made once and kept small: they live as long as the server."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any

from botocore.loaders import JSONFileLoader, Loader

from cloud.credentials import emulator_core
from cloud.switch import Switch

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


class LeanSession:
    """Of boto3's session what a switch asks for, by botocore alone: what it reads of each service
    and never uses is a third of the server's memory."""

    def __init__(self, core: Any) -> None:
        core.register_component("data_loader", Loader(file_loader=LeanFiles()))
        self._core = core

    def client(self, service: str, **options: Any) -> Any:
        return self._core.create_client(service, **options)

    @property
    def region_name(self) -> str | None:
        region: str | None = self._core.get_config_variable("region")
        return region


class LeanFiles(JSONFileLoader):
    """Descriptions of services without their documentation. Where each service is in each region
    an emulator needs not; S3's alone botocore wants to know."""

    def load_file(self, file_path: str) -> Any:
        found = self._read(Path(file_path))
        if found is not None and Path(file_path).name == "endpoints":
            for partition in found["partitions"]:
                services = partition["services"]
                partition["services"] = {one: services[one] for one in services if one == "s3"}
        return found

    @staticmethod
    def _read(path: Path) -> Any:
        """As botocore keeps them: plain, or packed."""
        plain, packed = (path.with_name(path.name + kind) for kind in (".json", ".json.gz"))
        if not plain.is_file() and not packed.is_file():
            return None
        text = plain.read_bytes() if plain.is_file() else gzip.decompress(packed.read_bytes())
        return json.loads(text, object_hook=_without_documentation)


def _without_documentation(fields: dict[str, Any]) -> dict[str, Any]:
    """Empty, not gone: botocore reads that of some."""
    if isinstance(fields.get("documentation"), str):
        fields["documentation"] = ""
    return fields
