"""botocore, of which a server keeps what it uses: the descriptions of services are large."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from botocore.loaders import ExtrasProcessor, JSONFileLoader, Loader
from botocore.utils import deep_merge

SERVICE = "service-2"
FOLDED = frozenset({"operations", "shapes"})  # of a service's description
_BETWEEN = re.compile(r"[\s,:]*")


class LeanSession:
    """Of boto3's session what a switch asks for, by botocore alone: what it reads of each service
    and never uses is a third of the server's memory."""

    def __init__(self, core: Any) -> None:
        core.register_component("data_loader", LeanLoader())
        self._core = core

    def client(self, service: str, **options: Any) -> Any:
        return self._core.create_client(service, **options)

    @property
    def region_name(self) -> str | None:
        region: str | None = self._core.get_config_variable("region")
        return region


class LeanLoader(Loader):
    """Keeps nothing that a client has taken: each is made once."""

    def __init__(self) -> None:
        super().__init__(file_loader=LeanFiles())
        self._extras_processor = LeanExtras()

    def load_service_model(
        self, service_name: str, type_name: str, api_version: str | None = None
    ) -> Any:
        model = super().load_service_model(service_name, type_name, api_version)
        for place in [one for one in self._cache if one[0].startswith("load_")]:
            del self._cache[place]
        return model


class Folded(Mapping[str, Any]):
    """Values by name, each as JSON text until somebody asks for it: of a service's hundreds of
    operations and shapes a few are used."""

    def __init__(self) -> None:
        self._texts: dict[str, bytes] = {}

    def put(self, name: str, value: Any) -> None:
        self._texts[name] = json.dumps(value, separators=(",", ":")).encode()

    def __getitem__(self, name: str) -> Any:
        return json.loads(self._texts[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._texts)

    def __len__(self) -> int:
        return len(self._texts)


class LeanExtras(ExtrasProcessor):
    """What botocore adds to a service's own description."""

    def process(self, original_model: Any, extra_models: Iterable[dict[str, Any]]) -> None:
        for extras in extra_models:
            added = dict(extras.get("merge", {}))
            for name in FOLDED & set(added):
                folded = original_model[name]
                for one, more in added.pop(name).items():
                    whole = folded.get(one, {})
                    deep_merge(whole, more)
                    folded.put(one, whole)
            deep_merge(original_model, added)


class LeanFiles(JSONFileLoader):
    """Descriptions of services without their documentation, operations and shapes folded. Where
    each service is in each region an emulator needs not; S3's alone botocore wants to know."""

    def load_file(self, file_path: str) -> Any:
        path = Path(file_path)
        text = self._text(path)
        return None if text is None else READ.get(path.name, _Reader.value)(_Reader(text))

    @staticmethod
    def _text(path: Path) -> str | None:
        """As botocore keeps them: plain, or packed."""
        plain, packed = (path.with_name(path.name + kind) for kind in (".json", ".json.gz"))
        if plain.is_file():
            return plain.read_text("utf-8")
        return gzip.decompress(packed.read_bytes()).decode() if packed.is_file() else None


class _Reader:
    """JSON, read value by value: in one piece a description would leave its room in pieces."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._decode = json.JSONDecoder(object_hook=_without_documentation).raw_decode

    def members(self) -> Iterator[Any]:
        """Names of the object, or places of the array, that begins here; whoever gets one reads
        its value."""
        is_object = self._text[self._at] == "{"
        self._skip(1)
        while self._text[self._at] not in "}]":
            yield self.value() if is_object else None
        self._skip(1)

    def value(self) -> Any:
        found, self._at = self._decode(self._text, self._at)
        self._skip()
        return found

    def _skip(self, count: int = 0) -> None:
        between = _BETWEEN.match(self._text, self._at + count)
        assert between is not None  # noqa: S101  it may be empty
        self._at = between.end()


def _service(reader: _Reader) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in reader.members():
        if name not in FOLDED:
            found[name] = reader.value()
            continue
        found[name] = folded = Folded()
        for one in reader.members():
            folded.put(one, reader.value())
    return found


def _addresses(reader: _Reader) -> dict[str, Any]:
    return {
        name: [_partition(reader) for _ in reader.members()]
        if name == "partitions"
        else reader.value()
        for name in reader.members()
    }


def _partition(reader: _Reader) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in reader.members():
        if name == "services":
            every = ((one, reader.value()) for one in reader.members())
            found[name] = {one: where for one, where in every if one == "s3"}
        else:
            found[name] = reader.value()
    return found


READ = {SERVICE: _service, "endpoints": _addresses}


def _without_documentation(fields: dict[str, Any]) -> dict[str, Any]:
    """Empty, not gone: botocore reads that of some."""
    if isinstance(fields.get("documentation"), str):
        fields["documentation"] = ""
    return fields
