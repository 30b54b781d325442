"""State as data: what comes back, and what a hostile record can't do."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections import OrderedDict, defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from types import ModuleType

import pytest

from localstack_image_functions.state.codec import Codec, Reference
from localstack_image_functions.state.errors import HostileState, NotData

MODULE = "moto.imagined.models"


class Color(Enum):
    RED = "red"


@dataclass(frozen=True)
class Frozen:
    name: str


class Slotted:
    __slots__ = ("value",)


class Queue:
    made = 0

    def __init__(self) -> None:
        type(self).made += 1
        self.mutex = threading.RLock()
        self.waiting: list = []
        self.owner = self


class Loud:
    def __del__(self) -> None:
        os.environ["HOSTILE"] = "1"


class Bag(dict):
    pass


@pytest.fixture(autouse=True)
def _models(monkeypatch: pytest.MonkeyPatch) -> None:
    """The classes above as if they were models of moto."""
    module = ModuleType(MODULE)
    for cls in (Color, Frozen, Slotted, Queue, Loud, Bag):
        monkeypatch.setattr(cls, "__module__", MODULE)
        setattr(module, cls.__name__, cls)
    module.system = os.system
    monkeypatch.setitem(sys.modules, MODULE, module)


def again(value: object) -> object:
    return Codec().decode(Codec().encode(value))


def test_plain_data_comes_back() -> None:
    value = {
        "text": "Zoë",
        "bytes": b"\x00\xff",
        "numbers": [1, 2.5, Decimal("1.10"), True, None],
        ("a", 1): {1, 2},
        "frozen": frozenset({"x"}),
        "when": datetime(2026, 11, 25, 12, tzinfo=UTC),
        "ordered": OrderedDict(b=1, a=2),
    }
    assert again(value) == value


def test_default_factories_come_back() -> None:
    value: dict = defaultdict(lambda: 0)
    with pytest.raises(NotData):
        again(value)
    value = defaultdict(dict, a={})
    assert again(value)["b"] == {}


def test_instances_come_back_without_their_constructor() -> None:
    queue = Queue()
    slotted = Slotted()
    slotted.value = Color.RED
    queue.waiting = [Frozen("Ada"), slotted, Bag(a=1)]
    made = Queue.made
    back = again(queue)
    assert Queue.made == made
    assert back.owner is back
    assert back.waiting[0] == Frozen("Ada")
    assert back.waiting[1].value is Color.RED
    assert back.waiting[2] == {"a": 1}
    assert type(back.waiting[2]) is Bag
    with back.mutex:
        pass


def test_shared_objects_stay_shared() -> None:
    shared: list = []
    first, second = again([shared, shared])
    assert first is second


def test_omitted_fields_are_made_anew() -> None:
    codec = Codec({Queue: {"waiting": list, "mutex": threading.RLock}})
    queue = Queue()
    queue.waiting = [object()]  # would be no data
    assert codec.decode(codec.encode(queue)).waiting == []


def test_what_lives_elsewhere_is_named() -> None:
    home = Queue()

    class Home(Reference):
        def name(self, value: object) -> list[str] | None:
            return ["home"] if value is home else None

        def find(self, name: list[str]) -> object:
            return home

    codec = Codec(reference=Home())
    assert codec.decode(codec.encode({"at": home}))["at"] is home


@pytest.mark.parametrize("value", [print, sys.stdout, type("Local", (), {})()])
def test_what_is_no_data_is_not_written(value: object) -> None:
    with pytest.raises(NotData):
        Codec().encode({"field": value})


HOSTILE_NODES = {
    "a function": ["object", f"{MODULE}:system", []],
    "a class that holds no state": ["object", "subprocess:Popen", ["args", "touch /tmp/x"]],
    "a module that is not loaded": ["object", "moto.antigravity:Fly", []],
    "a class reached through another module": ["object", f"{MODULE}:Frozen.__class__", []],
    "a class of another module under a model's name": ["object", "moto.imagined.models:os", []],
    "a class with a destructor": ["object", f"{MODULE}:Loud", []],
    "a dunder field": ["object", f"{MODULE}:Queue", ["__class__", "str"]],
    "a reduce, as pickle has": ["reduce", "os:system", ["true"]],
    "a private method of the reader": ["_values", []],
    "a list that is no list": ["list", "abc", "builtins:dict", []],
    "an enumeration that is none": ["enum", f"{MODULE}:Frozen", "name"],
    "an unknown reference": ["ref", "moto:iam", "000000000000", "aws"],
    "a lock of another kind": ["lock", "system"],
    "itself as a tuple": ["tuple", [[0]]],
}


@pytest.mark.parametrize("node", HOSTILE_NODES.values(), ids=HOSTILE_NODES)
def test_a_hostile_record_is_refused(node: list) -> None:
    with pytest.raises(HostileState):
        Codec().decode(json.dumps([[0], [node]]).encode())
    assert "HOSTILE" not in os.environ


@pytest.mark.parametrize(
    "record",
    [
        b"",
        b"\x80\x04\x95",
        b"cos\nsystem\n(S'true'\ntR.",  # a pickle
        b"[[0],[]]",
        b"[[0],{}]",
        b"[" * 100_000,
        json.dumps(
            [[0], [["list", [[1]]]] + [["list", [[n + 2]]] for n in range(50_000)]]
        ).encode(),
        json.dumps([{"x": 1}, []]).encode(),
    ],
)
def test_bytes_that_are_no_record_are_refused(record: bytes) -> None:
    with pytest.raises(HostileState):
        Codec().decode(record)
