"""Keeps out of the emulator's memory what it would hold twice, or load and not use."""

from __future__ import annotations

import importlib
import json
import sys
import threading
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

EC2_API = "localstack.aws.api.ec2"
SAM = "samtranslator.translator"


def share_service_models() -> None:
    """Let all of botocore's loaders have one copy of each file, in plain dictionaries.

    LocalStack has a loader, and each botocore session another: a service's model, of some
    megabytes, was there four times. Nobody changes what is loaded, but for additions that are the
    same each time.
    """
    from botocore.loaders import JSONFileLoader

    shared: dict[str, Any] = {}
    loading = threading.Lock()

    def load_file(self: JSONFileLoader, full_path: str, open_method: Callable[..., Any]) -> Any:
        with loading:
            if full_path not in shared:
                try:
                    with open_method(full_path, "rb") as file:
                        # An OrderedDict, as there, takes twice the memory of a dictionary.
                        shared[full_path] = json.loads(file.read())
                except FileNotFoundError:
                    return None
            return shared[full_path]

    JSONFileLoader._load_file = load_file


def put_off_imports() -> None:
    """Let CloudFormation's engine come without EC2's API, which it wants for two annotations, and
    without the transform for serverless templates, until there is such a template."""
    _stand_in(EC2_API, AvailabilityZoneList=list, DescribeAvailabilityZonesResult=dict)
    _stand_in(f"{SAM}.transform", transform=_later(f"{SAM}.transform", "transform"))
    loader = f"{SAM}.managed_policy_translator"
    _stand_in(loader, ManagedPolicyLoader=_later(loader, "ManagedPolicyLoader"))


class _StandIn(ModuleType):
    """A module with a few of another one's names; it gets the others from there when asked."""

    def __init__(self, name: str, names: Mapping[str, Any]):
        super().__init__(name)
        self.__dict__.update(names)

    def __getattr__(self, name: str) -> Any:
        # The import system's own questions.
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(_real(self.__name__), name)


def _stand_in(name: str, **names: Any) -> None:
    sys.modules.setdefault(name, _StandIn(name, names))


def _later(module: str, name: str) -> Callable[..., Any]:
    def call(*arguments: Any, **options: Any) -> Any:
        return getattr(_real(module), name)(*arguments, **options)

    return call


_leaving = threading.Lock()


def _real(name: str) -> ModuleType:
    with _leaving:
        if isinstance(sys.modules.get(name), _StandIn):
            del sys.modules[name]
    # Without our lock: what is imported may load models, and waits for others that import it.
    return importlib.import_module(name)
