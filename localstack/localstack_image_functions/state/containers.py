"""What a service keeps in memory, as data: LocalStack's stores and moto's backends.

Both are dictionaries of account and region. Only the fields of what lies there are written; the
stores and backends themselves are made anew by their own constructors when they are loaded, so
that whatever can't be data (threads, clients, caches) is there as it should be.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from localstack.services.stores import AccountRegionBundle, BaseStore
from moto.core.base_backend import BackendDict, BaseBackend

from localstack_image_functions.state.codec import FACTORIES, Reference
from localstack_image_functions.state.errors import HostileState

Portrait = dict[str, Any]
AWS_POLICY = ":iam::aws:policy/"


class Residents(Reference):
    """Stores and backends are named, not written; so are the policies that AWS itself manages."""

    def __init__(self) -> None:
        self._containers: dict[str, AccountRegionBundle | BackendDict] = {}

    def know(self, container: AccountRegionBundle | BackendDict) -> str:
        """The container's name in records; from now on, what lies in it can be referred to."""
        kind = "moto" if isinstance(container, BackendDict) else "localstack"
        name = f"{kind}:{container.service_name}"
        self._containers[name] = container
        return name

    def name(self, value: Any) -> list[str] | None:
        if isinstance(value, BaseStore):
            return [f"localstack:{value._service_name}", value._account_id, value._region_name]
        if isinstance(value, BaseBackend):
            return [_service_of(value), value.account_id, value.region_name]
        arn = (
            getattr(value, "arn", None) if type(value).__name__.endswith("ManagedPolicy") else None
        )
        if isinstance(arn, str) and AWS_POLICY in arn:
            return ["moto:iam", value.account_id, "", arn]
        return None

    def find(self, name: list[str]) -> Any:
        """What a record refers to by `name`.

        Raises
        ------
        HostileState
            When the service it lives in is not loaded.
        """
        container = self._containers.get(name[0])
        if container is None:
            raise HostileState(f"a record refers to {name[0]}, which is not loaded")
        if len(name) == 4:
            backend = next(iter(container[name[1]].values()))
            return backend.managed_policies[name[3]]
        return container[name[1]][name[2]]


def _service_of(backend: BaseBackend) -> str:
    return f"moto:{type(backend).__module__.split('.')[1].rstrip('_')}"


def portrait(container: AccountRegionBundle | BackendDict) -> Portrait:
    """Everything in it, by account and region: {"regions": {account: {region: fields}}, …}."""
    if isinstance(container, BackendDict):
        return {
            "regions": {
                account: {region: _backend_fields(one) for region, one in list(regions.items())}
                for account, regions in list(container.items())
            }
        }
    return {
        "regions": {
            account: {
                region: {
                    name: _plain(value) for name, value in vars(store).items() if _is_local(name)
                }
                for region, store in list(regions.items())
            }
            for account, regions in list(container.items())
        },
        "global": {account: dict(regions._global) for account, regions in list(container.items())},
        "universal": dict(container._universal),
    }


def _is_local(name: str) -> bool:
    return name not in ("_global", "_universal", "_service_name", "_account_id", "_region_name")


def _backend_fields(backend: BaseBackend) -> dict[str, Any]:
    # moto's IAM copies what AWS manages into every account; those are there anyway.
    return {
        name: (
            {k: v for k, v in value.items() if AWS_POLICY not in str(k)}
            if name == "managed_policies"
            else _plain(value)
        )
        for name, value in vars(backend).items()
        if name != "aws_managed_policies"
    }


def _plain(value: Any) -> Any:
    """A `defaultdict` whose factory no record can name, as a plain dictionary; all levels of it."""
    if type(value) is defaultdict and value.default_factory not in FACTORIES.values():
        return {key: _plain(one) for key, one in list(value.items())}
    return value


def _like(made: Any, written: Any) -> Any:
    """What `_plain` made of a value, with the factory of what the constructor has made there."""
    if type(made) is not defaultdict or type(written) is not dict:
        return written
    factory = made.default_factory
    pairs = ((key, _like(factory() if factory else None, one)) for key, one in written.items())
    return defaultdict(factory, pairs)


def restore(container: AccountRegionBundle | BackendDict, written: Portrait) -> None:
    """Put a portrait back into a container that is as its service has made it."""
    for account, regions in written["regions"].items():
        for region, fields in regions.items():
            resident = container[account][region]
            for name, value in fields.items():
                if name == "managed_policies":
                    resident.__dict__.setdefault(name, {}).update(value)
                else:
                    resident.__dict__[name] = _like(getattr(resident, name, None), value)
    if isinstance(container, AccountRegionBundle):
        for account, values in written["global"].items():
            container[account]._global.update(values)
        container._universal.update(written["universal"])
