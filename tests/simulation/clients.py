"""`boto3` for simulated processes: clients whose every call may be lost on either way.

A call travels for some time, may be lost before or after it took effect, may meet a busy
service, and is repeated as often as the client's configuration says.
"""

from __future__ import annotations

import types
from typing import Any, ClassVar

from botocore import exceptions as boto

from tests.simulation.scheduler import current, step, wait


class Body:
    """A streaming body whose connection may break while it is read."""

    def __init__(self, data: bytes, breaks: bool) -> None:
        self._data, self._breaks = data, breaks

    def read(self, amount: int | None = None) -> bytes:
        step()
        if self._breaks:
            raise boto.ResponseStreamingError(error="connection broken")
        taken, self._data = self._data[:amount], self._data[len(self._data[:amount]) :]
        return taken

    def close(self) -> None:
        pass

    def __enter__(self) -> Body:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def iter_chunks(self, size: int = 1024) -> Any:
        while chunk := self.read(size):
            yield chunk


def error(code: str, status: int, operation: str, **more: Any) -> boto.ClientError:
    answer = {
        "Error": {"Code": code, "Message": f"{code} (simulated)"},
        "ResponseMetadata": {"HTTPStatusCode": status, "HTTPHeaders": {}, "RequestId": "r"},
        **more,
    }
    return Exceptions.of(code)(answer, operation)


class Exceptions:
    """`client.exceptions`: a class for each error code."""

    _classes: ClassVar[dict[str, type[boto.ClientError]]] = {}
    _codes: ClassVar = {"QueueDoesNotExist": "AWS.SimpleQueueService.NonExistentQueue"}

    def __getattr__(self, name: str) -> type[boto.ClientError]:
        if name == "ClientError":
            return boto.ClientError
        return self.of(self._codes.get(name, name))

    @classmethod
    def of(cls, code: str) -> type[boto.ClientError]:
        """One class for a code, whoever asks first: who catches it, or who raises it."""
        return cls._classes.setdefault(code, type(code, (boto.ClientError,), {}))


class Client:
    """One service's client in one process."""

    exceptions = Exceptions()

    def __init__(self, service: str, endpoint_url: str | None, config: Any) -> None:
        self._service = service
        self._config = config
        retries = getattr(config, "retries", None) or {}
        self._attempts = retries.get("total_max_attempts") or retries.get("max_attempts", 2) + 1
        self._read_timeout = getattr(config, "read_timeout", 60) or 60
        self.meta = types.SimpleNamespace(
            endpoint_url=endpoint_url,
            events=types.SimpleNamespace(
                register_first=lambda *_, **__: None, register=lambda *_, **__: None
            ),
        )

    def __getattr__(self, operation: str) -> Any:
        if operation.startswith("_"):
            raise AttributeError(operation)
        return lambda **arguments: self._call(operation, arguments)

    def get_paginator(self, operation: str) -> Any:
        def paginate(**arguments: Any) -> Any:
            yield self._call(operation, arguments)

        return types.SimpleNamespace(paginate=paginate)

    def close(self) -> None:
        pass

    def _call(self, operation: str, arguments: dict[str, Any]) -> Any:
        for attempt in range(self._attempts):
            try:
                return self._once(operation, arguments)
            except (boto.HTTPClientError, boto.ConnectionError):
                if attempt + 1 == self._attempts:
                    raise
            except boto.ClientError as refused:
                refused.response["ResponseMetadata"]["RetryAttempts"] = attempt
                passing = refused.response["ResponseMetadata"]["HTTPStatusCode"] >= 500
                if not passing or attempt + 1 == self._attempts:
                    raise
            wait(current().world.chance.uniform(0.05, 0.5))
        raise AssertionError("unreachable")

    def _once(self, operation: str, arguments: dict[str, Any]) -> Any:
        world = current().world
        cloud, where = world.cloud, f"{self._service}.{operation}"
        wait(cloud.travel_s())
        fault = cloud.fault(where)
        world.crash_point(f"before {where}")
        if fault == "refused":
            raise boto.EndpointConnectionError(endpoint_url="http://simulated")
        if fault == "lost":
            wait(min(self._read_timeout, 15))
            raise boto.ReadTimeoutError(endpoint_url="http://simulated")
        if fault == "busy":
            raise error("SlowDown" if self._service == "s3" else "Throttling", 503, operation)
        if fault == "garbage":
            # What botocore makes of a proxy's page of HTML.
            raise error("302" if world.chance.random() < 0.5 else "", 302, operation)
        if not cloud.is_up:
            raise boto.EndpointConnectionError(endpoint_url="http://simulated")
        answer = getattr(cloud, f"{self._service}_{operation}")(**arguments)
        wait(cloud.travel_s())
        world.crash_point(f"after {where}")
        if fault == "answer lost":
            raise boto.ReadTimeoutError(endpoint_url="http://simulated")
        if fault == "cut":
            raise boto.ConnectionClosedError(endpoint_url="http://simulated")
        if fault == "no confirmation" and operation == "put_object":
            return {"ResponseMetadata": {"HTTPStatusCode": 200, "HTTPHeaders": {}}}
        if fault == "truncated" and "Body" in answer:
            answer["Body"]._breaks = True
        return answer


class _Session:
    region_name = "us-east-1"

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def client(
        self,
        service: str,
        region_name: str | None = None,
        endpoint_url: str | None = None,
        config: Any = None,
        **_: Any,
    ) -> Client:
        return Client(service, endpoint_url or "http://simulated", config)

    create_client = client  # as botocore calls it

    def set_credentials(self, *_: Any) -> None:
        pass

    def set_config_variable(self, *_: Any) -> None:
        pass


def _module(name: str, **members: Any) -> types.ModuleType:
    module = types.ModuleType(name)
    module.__dict__.update(members)
    return module


botocore_session = _module("botocore.session", Session=_Session)
boto3 = _module("boto3", session=_module("boto3.session", Session=_Session))
boto3.client = lambda service, **options: _Session().client(service, **options)
