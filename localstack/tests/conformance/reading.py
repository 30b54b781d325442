"""The behaviors of `behaviors/*.yaml`, read and checked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import botocore.session
import yaml

from conformance import links

FOLDER = Path(__file__).with_name("behaviors")
REFUSED = "refused"
"""Stands for the codes by which a service refuses what breaks a documented bound."""

_FILE = {"service", "api", "refused", "groups"}
_GROUP = {"source", "setup", "behaviors"}
_STEP = {"call", "with", "save", "until", "within", "wait", "optional"}
_BEHAVIOR = {
    *("name", "source", "before", "call", "with", "cases", "answer", "error", "status"),
    *("message", "within", "known_difference"),
}


class Unreadable(Exception):
    """A file of behaviors says something that can't be run: see the place in the message."""


@dataclass(frozen=True)
class Call:
    """One request: an operation of a service and its parameters."""

    service: str
    operation: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True)
class Step:
    """A request that must succeed before a behavior can be asked for."""

    call: Call
    save: Mapping[str, str] = field(default_factory=dict)
    """Names for later requests, each with the place in the answer (JMESPath)."""
    until: Any = None
    """What the answer must be like; asked again and again for `within_s`."""
    within_s: float = 0.0
    wait: str | None = None
    """One of botocore's waiters, called with the same parameters instead of an operation."""
    optional: bool = False
    """Whether an emulator may do without: what AWS needs to be done and others don't ask for."""


@dataclass(frozen=True)
class Behavior:
    """What one request is answered by, and where AWS says so."""

    name: str
    service: str
    source: str
    call: Call
    before: tuple[Step, ...] = ()
    answer: Any = None
    errors: tuple[str, ...] = ()
    """Codes, one of which must come. None of them: the request must succeed."""
    statuses: tuple[int, ...] = ()
    message: str | None = None
    within_s: float = 0.0
    known_difference: str | None = None
    """Why the emulator of this repository answers something else; where it is kept by the
    emulator's variant (`embedded: …`), that of the variant that was read for."""


@dataclass(frozen=True)
class Group:
    """Behaviors that share what was set up for them."""

    name: str
    service: str
    setup: tuple[Step, ...]
    behaviors: tuple[Behavior, ...]


def read_groups(variant: str | None = None, folder: Path = FOLDER) -> list[Group]:
    """All groups, in the order of the files.

    Raises
    ------
    Unreadable
        When a file has what this module does not know.
    """
    groups = [
        group for path in sorted(folder.glob("*.yaml")) for group in _File(path, variant).groups()
    ]
    names = [behavior.name for group in groups for behavior in group.behaviors]
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise Unreadable(f"these names stand for two behaviors each: {', '.join(sorted(twice))}")
    return groups


class _File:
    def __init__(self, path: Path, variant: str | None) -> None:
        self._variant = variant
        self._place = path.name
        self._said = yaml.load(path.read_text(), Loader=yaml.CSafeLoader)
        _only(self._said, _FILE, self._place)
        self._service = self._said["service"]

    def groups(self) -> Iterator[Group]:
        for name, said in self._said["groups"].items():
            place = f"{self._place}: {name}"
            _only(said, _GROUP, place)
            setup = tuple(self._step(step, place) for step in said.get("setup", ()))
            behaviors = [
                behavior
                for one in said["behaviors"]
                for behavior in self._behaviors(one, name, said.get("source"), place)
            ]
            yield Group(name, self._service, setup, tuple(behaviors))

    def _behaviors(
        self, said: dict[str, Any], group: str, source: str | None, place: str
    ) -> Iterator[Behavior]:
        place = f"{place}: {said.get('name')}"
        _only(said, _BEHAVIOR, place)
        cases = said.get("cases")
        for case, parameters in (cases or {"": {}}).items():
            call = self._call(said["call"], said.get("with", {}) | parameters, place)
            operation = call.operation
            errors = said.get("error", ())
            if errors == REFUSED:
                errors = self._said["refused"]
            yield Behavior(
                name=": ".join(part for part in (group, said["name"], str(case)) if part),
                service=self._service,
                source=said.get("source") or source or self._said["api"] % operation,
                call=call,
                before=tuple(self._step(step, place) for step in said.get("before", ())),
                answer=said.get("answer"),
                errors=_tuple(errors),
                statuses=_tuple(said.get("status")),
                message=said.get("message"),
                within_s=said.get("within", 0.0),
                known_difference=self._reason(said.get("known_difference")),
            )

    def _reason(self, said: str | dict[str, str] | None) -> str | None:
        return said.get(self._variant or "") if isinstance(said, dict) else said

    def _step(self, said: dict[str, Any], place: str) -> Step:
        _only(said, _STEP, place)
        wait = said.get("wait")
        if wait:
            service, _, wait = wait.rpartition(".")
            call = Call(service or self._service, "", said.get("with", {}))
        else:
            call = self._call(said["call"], said.get("with", {}), place)
        until = said.get("until")
        return Step(
            call,
            said.get("save", {}),
            until,
            said.get("within", 0.0 if until is None else 20.0),
            wait,
            said.get("optional", False),
        )

    def _call(self, named: str, parameters: dict[str, Any], place: str) -> Call:
        service, _, operation = named.rpartition(".")
        service = service or self._service
        known = (
            links.OPERATIONS if service == links.SERVICE else service_model(service).operation_names
        )
        if operation not in known:
            raise Unreadable(f"{place}: {service} has no operation {operation}")
        return Call(service, operation, parameters)


def _tuple(said: Any) -> tuple[Any, ...]:
    if said is None:
        return ()
    return tuple(said) if isinstance(said, list | tuple) else (said,)


def _only(said: Mapping[str, Any], known: set[str], place: str) -> None:
    if not isinstance(said, Mapping):
        raise Unreadable(f"{place}: expected names with values, not {said!r}")
    unknown = set(said) - known
    if unknown:
        raise Unreadable(f"{place}: not known here: {', '.join(sorted(unknown))}")


@cache
def service_model(service: str) -> Any:
    return botocore.session.get_session().get_service_model(service)


def documented_status(call: Call, code: str) -> int:
    """The HTTP status that the service's model gives an error; 400 where it gives none."""
    if call.service == links.SERVICE:
        return 400
    for shape in service_model(call.service).operation_model(call.operation).error_shapes:
        error = shape.metadata.get("error", {})
        if code in (shape.name, error.get("code")):
            return error.get("httpStatusCode", 400)
    return 400
