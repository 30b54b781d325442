"""Objects as data and back, without ever running code that the data names.

A record is a JSON list of nodes and where to begin. A node may refer to others by index,
so that shared and circular references survive. An instance is written as the name of its
class and its fields. Reading makes an empty instance and sets the fields: no constructor, no
`__setstate__`, no function is called, unlike with pickle, and only classes of `moto` and of
LocalStack's services and APIs that are loaded already can be named. A hostile record can
therefore put wrong values into a model, and nothing else.
"""

from __future__ import annotations

import base64
import json
import re
import sys
import threading
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from types import MappingProxyType
from typing import Any

from localstack_image_functions.state.errors import HostileState, NotData

MODEL_PACKAGES = ("moto.", "localstack.services.", "localstack.aws.api.", "localstack.utils.")
OWN_PACKAGE = "localstack_image_functions."
PLAIN = (bool, int, float, str, type(None))
FACTORIES: dict[str, Callable[[], Any]] = {"dict": dict, "list": list, "set": set, "int": int}
LOCKS: dict[type, tuple[str, Callable[[], Any]]] = {
    type(threading.RLock()): ("rlock", threading.RLock),
    type(threading.Lock()): ("lock", threading.Lock),
    threading.Event: ("event", threading.Event),
}
_LOCK_MAKERS = dict(LOCKS.values())
MOST_NODES = 5_000_000
CONTAINERS = (dict, MappingProxyType, list, tuple, set, frozenset, deque)

Omissions = Mapping[type | str, dict[str, Callable[[], Any]]]
"""Fields that a record leaves out, by class or its name, and what makes their value on reading."""


class Reference:
    """How objects that live elsewhere are named in a record instead of being written."""

    def name(self, _value: Any) -> list[str] | None:
        """The name of `value`, None for what is to be written itself."""
        return None

    def find(self, name: list[str]) -> Any:
        """What a record refers to by `name`.

        Raises
        ------
        HostileState
            When nothing that is known has this name.
        """
        raise HostileState(f"a record refers to {name}, which is not known")


class Codec:
    """Writes and reads records. Stateless between calls; any thread may call."""

    def __init__(self, omissions: Omissions | None = None, reference: Reference | None = None):
        self._omissions = omissions or {}
        self._reference = reference or Reference()

    def encode(self, value: Any) -> bytes:
        """One record.

        Raises
        ------
        NotData
            When something in it is neither plain data nor a model; the message has the path.
        """
        writer = _Writer(self._omissions, self._reference)
        root = writer.write(value, "")
        return json.dumps([root, writer.nodes], separators=(",", ":")).encode()

    def decode(self, record: bytes) -> Any:
        """What `encode` was given.

        Raises
        ------
        HostileState
            When it is no record of this codec, or names what holds no state.
        """
        try:
            root, nodes = json.loads(record)
            if not isinstance(nodes, list) or len(nodes) > MOST_NODES:
                raise HostileState("not a list of nodes")
            return _Reader(nodes, self._omissions, self._reference).value(root)
        except HostileState:
            raise
        except Exception as error:  # whatever damaged or hostile bytes lead to
            raise HostileState(f"a record can't be read ({type(error).__name__})") from error


def model_class(name: str) -> type:
    """The class that a record names.

    Raises
    ------
    HostileState
        Unless it is a loaded class that may hold state. Nothing is imported for it.
    """
    module_name, _, qualified = name.partition(":")
    found: Any = sys.modules.get(module_name)
    if found is not None and _holds_state(module_name):
        for part in qualified.split("."):
            found = vars(found).get(part) if part.isidentifier() else None
            if found is None:
                break
        if isinstance(found, type) and found.__module__ == module_name and _is_model(found):
            return found
    raise HostileState(f"a record names {name}, which holds no state")


def _holds_state(module_name: str) -> bool:
    return module_name.startswith((*MODEL_PACKAGES, OWN_PACKAGE))


def _is_model(cls: type) -> bool:
    # A destructor is code that would run on whatever the record says.
    return not issubclass(cls, type) and not hasattr(cls, "__del__")


def _class_name(cls: type, path: str) -> str:
    if not (_holds_state(cls.__module__) and _is_model(cls)) or "<" in cls.__qualname__:
        raise NotData(f"{path or 'it'} is a {cls.__module__}.{cls.__qualname__}")
    return f"{cls.__module__}:{cls.__qualname__}"


class _Writer:
    def __init__(self, omissions: Omissions, reference: Reference):
        self.nodes: list[Any] = []
        self._omissions = omissions
        self._reference = reference
        self._seen: dict[int, int] = {}
        self._alive: list[Any] = []  # an id is only unique while its object lives

    def write(self, value: Any, path: str) -> Any:
        """Plain data itself; [index] for what became a node."""
        kind = type(value)
        if kind in PLAIN:
            return value
        known = self._seen.get(id(value))
        if known is None:
            known = len(self.nodes)
            self.nodes.append(None)
            self._seen[id(value)] = known
            self._alive.append(value)
            self.nodes[known] = self._node(value, kind, path)
        return [known]

    def _node(self, value: Any, kind: type, path: str) -> list[Any]:
        if name := self._reference.name(value):
            return ["ref", *name]
        if kind in LOCKS:
            return ["lock", LOCKS[kind][0]]
        if isinstance(value, Enum):
            return ["enum", _class_name(kind, path), value.name]
        if isinstance(value, datetime | date):
            return ["time", value.isoformat(), isinstance(value, datetime)]
        if isinstance(value, Decimal):
            return ["decimal", str(value)]
        if value is UTC:
            return ["utc"]
        if isinstance(value, bytes):
            return ["bytes", base64.b64encode(value).decode()]
        if isinstance(value, re.Pattern):
            return ["pattern", value.pattern, value.flags]
        if isinstance(value, PLAIN):  # a subclass of str, say; None and bool have none
            plain: Callable[[Any], Any] = next(
                one for one in (str, int, float) if isinstance(value, one)
            )
            return ["plain", plain(value)]
        return self._container(value, kind, path) or self._instance(value, kind, path)

    def _container(self, value: Any, kind: type, path: str) -> list[Any] | None:
        if not isinstance(value, CONTAINERS):
            return None
        own: list[Any] = []
        if kind.__module__ not in ("builtins", "collections", "types"):
            own = [_class_name(kind, path), self._fields(value, path)]
        if isinstance(value, dict | MappingProxyType):
            pairs = [self.write(one, path) for pair in list(value.items()) for one in pair]
            if isinstance(value, defaultdict):
                factory = getattr(value.default_factory, "__name__", "")
                if FACTORIES.get(factory) is not value.default_factory:
                    raise NotData(f"{path or 'it'} is a defaultdict of {factory}")
                return ["defaultdict", pairs, factory, *own]
            return ["ordered" if kind is OrderedDict else "dict", pairs, *own]
        base = next(one for one in (list, tuple, set, frozenset, deque) if isinstance(value, one))
        return [base.__name__, [self.write(one, path) for one in list(value)], *own]

    def _instance(self, value: Any, kind: type, path: str) -> list[Any]:
        return ["object", _class_name(kind, path), self._fields(value, path)]

    def _fields(self, value: Any, path: str) -> list[Any]:
        omitted = self._omitted(type(value))
        fields: list[Any] = []
        for name, field in _state_of(value).items():
            if name not in omitted:
                fields += [name, self.write(field, f"{path}.{name}")]
        return fields

    def _omitted(self, kind: type) -> dict[str, Any]:
        return _omitted(self._omissions, kind)


def _omitted(omissions: Omissions, kind: type) -> dict[str, Callable[[], Any]]:
    found: dict[str, Callable[[], Any]] = {}
    for cls in kind.__mro__:
        named = f"{cls.__module__}:{cls.__qualname__}"
        found |= omissions.get(cls, {}) | omissions.get(named, {})
    return found


def _state_of(value: Any) -> dict[str, Any]:
    fields = dict(getattr(value, "__dict__", {}))
    for cls in type(value).__mro__:
        for slot in _slots(cls):
            if hasattr(value, slot):
                fields[slot] = getattr(value, slot)
    return fields


def _slots(cls: type) -> list[str]:
    slots = vars(cls).get("__slots__", ())
    names = (slots,) if isinstance(slots, str) else slots
    return [name for name in names if name not in ("__dict__", "__weakref__")]


class _Reader:
    def __init__(self, nodes: list[Any], omissions: Omissions, reference: Reference):
        self._nodes = nodes
        self._omissions = omissions
        self._reference = reference
        self._made: dict[int, Any] = {}

    def value(self, written: Any) -> Any:
        if type(written) is not list:
            if type(written) in PLAIN:
                return written
            raise HostileState(f"{type(written).__name__} is not plain data")
        (index,) = written
        if index not in self._made:
            self._read(index)
        return self._made[index]

    def _read(self, index: int) -> None:
        kind, *content = self._nodes[index]
        getattr(self, f"_read_{kind}")(index, *content)

    def _values(self, written: list[Any]) -> list[Any]:
        return [self.value(one) for one in written]

    def _read_ref(self, index: int, *name: str) -> None:
        self._made[index] = self._reference.find(list(name))

    def _read_lock(self, index: int, name: str) -> None:
        self._made[index] = _LOCK_MAKERS[name]()

    def _read_enum(self, index: int, class_name: str, name: str) -> None:
        cls = model_class(class_name)
        if not issubclass(cls, Enum):
            raise HostileState(f"{class_name} is no enumeration")
        self._made[index] = cls.__members__[name]

    def _read_time(self, index: int, text: str, with_clock: bool) -> None:
        self._made[index] = (datetime if with_clock else date).fromisoformat(text)

    def _read_decimal(self, index: int, text: str) -> None:
        self._made[index] = Decimal(text)

    def _read_bytes(self, index: int, text: str) -> None:
        self._made[index] = base64.b64decode(text)

    def _read_pattern(self, index: int, pattern: str, flags: int) -> None:
        self._made[index] = re.compile(pattern, flags)

    def _read_utc(self, index: int) -> None:
        self._made[index] = UTC

    def _read_plain(self, index: int, written: Any) -> None:
        self._made[index] = self.value(written)

    def _empty(self, index: int, base: Any, own: tuple[Any, ...]) -> Any:
        """A new, empty container, of the class that `own` names when there is one."""
        cls = model_class(own[0]) if own else base
        if not issubclass(cls, base):
            raise HostileState(f"{own[0]} is no {base.__name__}")
        self._made[index] = made = base.__new__(cls)
        if own:
            self._set_fields(made, own[1])
        return made

    def _fill(self, made: Any, pairs: list[Any]) -> None:
        values = self._values(pairs)
        for key, value in zip(values[::2], values[1::2], strict=True):
            dict.__setitem__(made, key, value)

    def _read_dict(self, index: int, pairs: list[Any], *own: Any) -> None:
        self._fill(self._empty(index, dict, own), pairs)

    def _read_ordered(self, index: int, pairs: list[Any]) -> None:
        made: OrderedDict[Any, Any] = OrderedDict()
        self._made[index] = made
        values = self._values(pairs)
        made.update(zip(values[::2], values[1::2], strict=True))

    def _read_defaultdict(self, index: int, pairs: list[Any], factory: str, *own: Any) -> None:
        made = self._empty(index, defaultdict, own)
        made.default_factory = FACTORIES[factory]
        self._fill(made, pairs)

    def _read_list(self, index: int, items: list[Any], *own: Any) -> None:
        made = self._empty(index, list, own)
        list.extend(made, self._values(items))

    def _read_set(self, index: int, items: list[Any], *own: Any) -> None:
        made = self._empty(index, set, own)
        set.update(made, self._values(items))

    def _read_deque(self, index: int, items: list[Any], *own: Any) -> None:
        made = self._empty(index, deque, own)
        deque.extend(made, self._values(items))

    def _read_tuple(self, index: int, items: list[Any], *own: Any) -> None:
        cls = model_class(own[0]) if own else tuple
        if not issubclass(cls, tuple):
            raise HostileState(f"{own[0]} is no tuple")
        self._made[index] = tuple.__new__(cls, self._values(items))

    def _read_frozenset(self, index: int, items: list[Any]) -> None:
        self._made[index] = frozenset(self._values(items))

    def _read_object(self, index: int, class_name: str, fields: list[Any]) -> None:
        cls = model_class(class_name)
        made: Any = object.__new__(cls)
        self._made[index] = made
        self._set_fields(made, fields)

    def _set_fields(self, made: Any, fields: list[Any]) -> None:
        for name, make in _omitted(self._omissions, type(made)).items():
            object.__setattr__(made, name, make())
        slots = {slot for cls in type(made).__mro__ for slot in _slots(cls)}
        for name, written in zip(fields[::2], fields[1::2], strict=True):
            value = self.value(written)
            if name in slots:
                object.__setattr__(made, name, value)  # past whatever the class does on setting
            elif isinstance(name, str) and not name.startswith("__"):
                made.__dict__[name] = value
            else:
                raise HostileState(f"{type(made).__name__} has a field {name!r}")
