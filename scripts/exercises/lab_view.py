"""What a check may look at: the running lab, its traces, this machine's spools and files."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import yaml
from botocore.exceptions import ClientError

from cloud.listing import every
from cloud.switch import Switch
from cloud.traces import traces_folder
from contract.clips import SUFFIX
from contract.results import Person
from contract.spans import Span
from device.spooled import FOLDERS
from scripts.cloud_errors import says_not_there
from scripts.dashboard.known_people import KnownPeople
from scripts.errors import LabError
from scripts.functions.deployment import log_group
from scripts.functions.using import ListedFunction, listed
from scripts.gallery.store import PeopleStore
from scripts.traces.clip_line import FAILED, ClipLine
from scripts.traces.device_spans import DeviceSpans
from scripts.traces.function_log import FunctionLog, day_ago_ms

MOST_BYTES = 2**20
REPORTS = '"REPORT RequestId"'


class AnswerUnreadable(LabError):
    """A file of answers that is no list of `name: value`."""


class LabView:
    """Reads, and changes nothing but the objects that `put` writes. `out` has the reports."""

    def __init__(self, switch: Switch, spool: Path, out: Path) -> None:
        self._switch = switch
        self._spool = spool
        self._out = out
        self._spans: DeviceSpans | None = None

    # --- the cloud --------------------------------------------------------------------------

    def people(self) -> list[Person]:
        return PeopleStore(self._switch).people()

    def looks(self) -> dict[str, int]:
        """How many embeddings the gallery has, by person id."""
        gallery = PeopleStore(self._switch).gallery()
        return {one: len(gallery.embeddings_of(one)) for one in gallery.people}

    def clips(self) -> list[ClipLine]:
        """What the function told of the clips that it answered in a day, oldest first."""
        lines = FunctionLog(self._switch).clips(day_ago_ms())
        return [line for line in lines if line.status != FAILED]

    def named(self, lines: Iterable[ClipLine]) -> dict[str, tuple[str, ...]]:
        """Person ids by row of the ledger."""
        return KnownPeople(self._switch).in_rows(line.row for line in lines)

    def functions(self) -> list[ListedFunction]:
        """Those that somebody brought."""
        names = self._switch.names
        own = (names.function, names.reconciler)
        return [one for one in listed(self._switch) if one.name not in own]

    def ended(self, function: str, since_ms: int) -> int:
        """How many invocations of a function have ended since then (Unix), well or not."""
        logs = self._switch.client("logs")
        asked = {
            "logGroupName": log_group(function),
            "startTime": since_ms,
            "filterPattern": REPORTS,
        }
        try:
            return sum(1 for _ in every(logs, "filter_log_events", "events", **asked))
        except logs.exceptions.ResourceNotFoundException:  # it was never invoked
            return 0

    def put(self, bucket: str, key: str, data: bytes) -> None:
        self._switch.client("s3").put_object(Bucket=bucket, Key=key, Body=data)

    def get(self, bucket: str, key: str) -> bytes | None:
        """An object's first megabyte; None while it is not there."""
        s3 = self._switch.client("s3")
        try:
            with s3.get_object(Bucket=bucket, Key=key)["Body"] as body:
                return bytes(body.read(MOST_BYTES))
        except ClientError as error:
            if says_not_there(error):
                return None
            raise

    def remove(self, bucket: str, keys: Sequence[str]) -> None:
        for key in keys:
            self._switch.client("s3").delete_object(Bucket=bucket, Key=key)

    # --- this machine -----------------------------------------------------------------------

    def spans(self, device_id: str) -> dict[str, list[Span]]:
        """What the device's programs wrote down here, by clip."""
        if self._spans is None:
            self._spans = DeviceSpans(traces_folder(self._spool))
            self._spans.refresh()
        return self._spans.of_device(device_id)

    def spooled(self, device_id: str) -> dict[str, int]:
        """Clips in the device's spool, by why they lie there."""
        folder = self._spool / device_id
        return {
            what: sum(1 for _ in (folder / part).glob("*" + SUFFIX))
            for what, part in FOLDERS.items()
        }

    def answer_file(self, number: int) -> Path:
        return self._out / "exercises" / f"{number}.yaml"

    def answer(self, number: int) -> dict[str, Any] | None:
        """What somebody wrote down for an exercise; None without the file.

        Raises
        ------
        AnswerUnreadable
        """
        path = self.answer_file(number)
        try:
            said = yaml.safe_load(path.read_text("utf-8"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, yaml.YAMLError) as error:
            raise AnswerUnreadable(
                f"{path} can't be read: {error}", "`name: value` lines"
            ) from error
        if not isinstance(said, dict):
            raise AnswerUnreadable(f"{path} has no `name: value` lines", "docs/class-guide.md")
        return said

    def plan(self) -> dict[str, Any] | None:
        """What `make plan` wrote."""
        try:
            plan = json.loads((self._out / "plan.json").read_text("utf-8"))
        except (OSError, ValueError):
            return None
        return plan if isinstance(plan, dict) else None
