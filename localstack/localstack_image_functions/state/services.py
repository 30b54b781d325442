"""What of a service is kept whole: its stores and backends, one row each."""

from __future__ import annotations

import hashlib
import logging
import threading
from dataclasses import dataclass
from typing import Any, TypeAlias

from localstack.services.plugins import SERVICE_PLUGINS, Service, ServiceContainer
from localstack.services.stores import AccountRegionBundle
from localstack.state import StateVisitor
from moto.core.base_backend import BackendDict

from localstack_image_functions.state.codec import Codec
from localstack_image_functions.state.containers import Residents, portrait, restore
from localstack_image_functions.state.database import Database, RowKey
from localstack_image_functions.state.errors import NotData
from localstack_image_functions.state.functions import (
    end_interrupted_stacks,
    resume_functions,
)
from localstack_image_functions.state.metrics import resume_alarms_where_they_are

LOG = logging.getLogger(__name__)

SERVICE = "service"
NOT_KEPT = {"sts"}
"""Credentials end with the functions that hold them."""
AT_ONCE = {"s3", "sqs", "dynamodb", "lambda", "logs"}
"""Services that have rows of their own, or functions to start; others come back when first used."""
WITH_WORK = {"events", "cloudwatch"}
"""Those of the others that do something by themselves, at a time or now and then."""

BEFORE_RESUMING = {
    "cloudformation": end_interrupted_stacks,
    "lambda": resume_functions,
    "cloudwatch": resume_alarms_where_they_are,
}

Container: TypeAlias = AccountRegionBundle | BackendDict
Written = tuple[str, str, Any]


@dataclass(frozen=True)
class _Loaded:
    service: Service
    containers: list[tuple[str, Container]]


class _Containers(StateVisitor):
    def __init__(self) -> None:
        self.found: list[Container] = []

    def visit(self, state_container: Any) -> None:
        if isinstance(state_container, AccountRegionBundle | BackendDict):
            self.found.append(state_container)


class ServiceRows:
    """Keeps one row for each store or backend of the services that are in use."""

    def __init__(self, database: Database, codec: Codec, residents: Residents):
        self._database = database
        self._codec = codec
        self._residents = residents
        self._loaded: dict[str, _Loaded] = {}
        self._kept: dict[tuple[str, str], bytes] = {}
        self._pending: dict[str, list[tuple[str, bytes]]] = {}
        self._lock = threading.RLock()
        self.problems: dict[str, str] = {}
        """Services that can't be kept, and why."""

    def names(self) -> list[str]:
        """Services seen so far."""
        return list(self._loaded)

    def know(self, name: str) -> None:
        """A service is in use from now on."""
        if name in NOT_KEPT or name in self._loaded:
            return
        service = SERVICE_PLUGINS.get_service(name)
        if service is None:
            return
        visitor = _Containers()
        service.accept_state_visitor(visitor)
        containers = [(self._residents.know(one), one) for one in visitor.found]
        with self._lock:
            self._loaded.setdefault(name, _Loaded(service, containers))

    def keep(self, name: str) -> bool:
        """Write what of the service has changed; whether anything had."""
        changed = False
        with self._lock:
            loaded = self._loaded.get(name)
            for place, container in loaded.containers if loaded else ():
                try:
                    value = self._codec.encode(portrait(container))
                except NotData as error:
                    self._complain(name, str(error))
                    return False
                changed = self._put(name, place, value) or changed
        self.problems.pop(name, None)
        return changed

    def _put(self, name: str, place: str, value: bytes) -> bool:
        """Whether it is another than was kept before."""
        digest = hashlib.blake2b(value).digest()
        if self._kept.get((name, place)) == digest:
            return False
        self._database.put(RowKey(SERVICE, name, place), lambda: value)
        self._kept[name, place] = digest
        return True

    def read(self) -> list[Written]:
        """What was kept. Starts the services that it is of, and changes nothing in them."""
        rows = list(self._database.rows(SERVICE))
        for name, place, value in rows:
            if name not in AT_ONCE:
                self._pending.setdefault(name, []).append((place, value))
        now = [row for row in rows if row[0] in AT_ONCE]
        for name in dict.fromkeys(name for name, _, _ in now):
            SERVICE_PLUGINS.require(name)
            self.know(name)
        return [(name, place, self._codec.decode(value)) for name, place, value in now]

    def install(self) -> None:
        """Let a service whose state was not needed at the start come back when it is."""
        original = ServiceContainer.start
        rows = self

        def start(container: ServiceContainer) -> bool:
            started = original(container)
            pending = rows._pending.pop(container.service.name(), None) if started else None
            if pending:
                rows._bring_back(container.service.name(), pending)
            return started

        ServiceContainer.start = start

    def _bring_back(self, name: str, pending: list[tuple[str, bytes]]) -> None:
        self.know(name)
        written = [(name, place, self._codec.decode(value)) for place, value in pending]
        self.after_load(self.load(written))

    def resume(self) -> None:
        """Let those come back that do something by themselves."""
        for name in WITH_WORK & self._pending.keys():
            SERVICE_PLUGINS.require(name)

    def load(self, written: list[Written]) -> list[str]:
        """Put every service back as it was; their names."""
        names = list(dict.fromkeys(name for name, _, _ in written))
        for name in names:
            self._loaded[name].service.lifecycle_hook.on_before_state_load()
        for name, place, value in written:
            container = dict(self._loaded[name].containers).get(place)
            if container is not None:
                restore(container, value)
        return names

    def after_load(self, names: list[str]) -> None:
        """Let the services start what belongs to their state (functions, rules, alarms)."""
        for name in names:
            if prepare := BEFORE_RESUMING.get(name):
                prepare()
            self._loaded[name].service.lifecycle_hook.on_after_state_load()
            if name == "events":
                from localstack_image_functions.state.rules import resume_rules

                resume_rules(self.provider(name))

    def provider(self, name: str) -> Any:
        return self._loaded[name].service._provider if name in self._loaded else None

    def _complain(self, name: str, reason: str) -> None:
        if self.problems.get(name) != reason:
            LOG.error("the state of %s can't be kept: %s", name, reason)
        self.problems[name] = reason
