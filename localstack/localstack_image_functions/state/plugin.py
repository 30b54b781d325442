"""State on disk as LocalStack's hooks see it: load before serving, save before ending."""

from __future__ import annotations

import json
import logging
import os
import shutil
import sys
import threading
import time
from pathlib import Path
from typing import Any

from localstack.constants import VERSION
from localstack.services.edge import ROUTER
from rolo import Request, Response

from localstack import config
from localstack_image_functions.async_events import drop_waiting_events
from localstack_image_functions.settings import Settings
from localstack_image_functions.state import dynamodb, logs
from localstack_image_functions.state.codec import Codec
from localstack_image_functions.state.database import Database, NoDatabase
from localstack_image_functions.state.errors import StateInUse, StateOfOtherVersion
from localstack_image_functions.state.expiry import Expiry
from localstack_image_functions.state.objects import FileObjectStore, use_object_store
from localstack_image_functions.state.opening import Opened, objects_folder, open_state
from localstack_image_functions.state.resting import watch_objects
from localstack_image_functions.upstream import let_writes_be_quiet

LOG = logging.getLogger(__name__)

PATH = "/_aws/image-functions/state"
EVENTS_PATH = "/_aws/image-functions/events"
EVENTS_PATIENCE_S = 30.0
RESTORED = "restored"
ITEMS = "items.db"
"""DynamoDB's items of a lab that forgets."""
SERVICE_FILES = "services"
"""Where services keep files of their own: Kinesis its streams, say."""
CANNOT_START = 78  # EX_CONFIG: starting again would not help


class StatePlugin:
    """What one emulator does about its state. `folder` None keeps nothing."""

    def __init__(self, settings: Settings):
        self._folder = settings.state
        self._budget = settings.state_budget_mb * 1_000_000
        self._opened: Opened | None = None
        self._expiry: Expiry | None = None
        self._day_s = settings.day_s
        self._load_ms = 0.0

    def load(self) -> None:
        """Bring the state back. Ends the process when another version or another process has it."""
        began = time.monotonic()
        folder = self._folder or Path(config.dirs.tmp) / "state"
        if self._folder is None:
            shutil.rmtree(folder, ignore_errors=True)
        store = FileObjectStore(objects_folder(folder))
        use_object_store(store)
        watch_objects()
        if self._folder is None:
            log_rows = logs.LogRows(NoDatabase(), Codec())
            # Items are no matter of memory here either: they go with this folder.
            items = dynamodb.ItemRows(Database(folder / ITEMS, VERSION), Codec())
            items.install()
        else:
            try:
                self._opened = open_state(folder, store)
            except (StateInUse, StateOfOtherVersion) as error:
                print(f"ERROR: {error}", file=sys.stderr, flush=True)
                os._exit(CANNOT_START)
            items, log_rows = self._opened.keeper.items, self._opened.keeper.logs
            config.dirs.data = str(folder / SERVICE_FILES)
        self._expiry = Expiry(items, log_rows, self._day_s)
        self._mark_restored()
        self._load_ms = (time.monotonic() - began) * 1000
        ROUTER.add(PATH, self._tell, methods=["GET"])
        ROUTER.add(EVENTS_PATH, self._drop_events, methods=["DELETE"])
        let_writes_be_quiet()

    def serve(self) -> None:
        """The emulator answers from now on."""
        if self._opened:
            self._opened.keeper.serve()
            self._opened.keeper.start()
            # Apart: nobody has to wait for what nobody asks for.
            threading.Thread(target=self._opened.keeper.services.resume, daemon=True).start()
        if self._expiry:
            self._expiry.start()

    def save(self) -> None:
        """The emulator is about to end. Nothing is acknowledged any more when this returns."""
        if self._expiry:
            self._expiry.stop()
        if self._opened:
            self._opened.keeper.stop()

    def facts(self) -> dict[str, Any]:
        """What `GET /_aws/image-functions/state` answers."""
        if self._opened is None or self._folder is None:
            return {"kept": False, "restored": False, "warnings": []}
        keeper = self._opened.keeper
        size = folder_bytes(self._folder)
        warnings = [*self._opened.warnings]
        warnings += [f"{name} is not kept: {why}" for name, why in keeper.services.problems.items()]
        if size > self._budget:
            warnings.append(
                f"the state takes {size / 1e6:.0f} MB, more than its budget of "
                f"{self._budget / 1e6:.0f} MB: shorten expiry rules or delete objects"
            )
        return {
            "kept": True,
            "restored": keeper.restored,
            "load_ms": round(self._load_ms),
            "settled": keeper.is_settled,
            "saved_s_ago": round(time.monotonic() - keeper.saved_at, 1),
            "bytes": size,
            "rows": keeper.database.count(),
            "warnings": warnings,
        }

    def _mark_restored(self) -> None:
        """Tell init scripts, which can't wait for an answer, whether there is all they make."""
        if self._folder is None or self._opened is None:
            return
        mark = self._folder / RESTORED
        mark.unlink(missing_ok=True)
        if self._opened.keeper.restored:
            mark.touch()

    def _drop_events(self, _request: Request) -> Response:
        dropped, idle = drop_waiting_events(EVENTS_PATIENCE_S)
        return Response(json.dumps({"dropped": dropped, "idle": idle}), mimetype="application/json")

    def _tell(self, _request: Request) -> Response:
        return Response(json.dumps(self.facts()), mimetype="application/json")


def folder_bytes(folder: Path) -> int:
    """Bytes of all files below."""
    total = 0
    for path, _, names in os.walk(folder):
        for name in names:
            try:
                total += (Path(path) / name).stat().st_size
            except FileNotFoundError:  # deleted meanwhile
                continue
    return total
