"""Hot reload: what is saved in a folder is what the next invocation runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from cloud.switch import Switch
from scripts.console import Progress
from scripts.errors import LabError
from scripts.functions.deployment import find, wait_until_settled
from scripts.functions.images import FolderPublisher

# Editors write a file in several steps; these come together.
STEP_MS = 20
TOGETHER_MS = 60
IDLE_MS = 200


def changes(folder: Path) -> Iterable[set[str]]:
    """The files that were saved, each time some were; ends with Ctrl-C.

    None were where nothing happened for a moment; the first of these says that it watches.
    """
    from watchfiles import DefaultFilter, watch

    for found in watch(
        folder,
        watch_filter=DefaultFilter(),
        step=STEP_MS,
        debounce=TOGETHER_MS,
        rust_timeout=IDLE_MS,
        yield_on_timeout=True,
    ):
        yield {Path(path).relative_to(folder).as_posix() for _, path in found}


def watch_folder(
    switch: Switch,
    name: str,
    folder: Path,
    publisher: FolderPublisher,
    progress: Progress,
    saved: Iterable[set[str]] | None = None,
    build_arguments: Mapping[str, str] | None = None,
    deployed: Callable[[dict[str, Any]], None] = lambda event: None,
) -> None:
    """Deploy the folder's code after each save, until somebody ends it; `deployed` is told of each.

    What can't be built is said, and the function stays what it was.

    Raises
    ------
    NoSuchFunction
    """
    find(switch, name)
    folder = folder.resolve()
    reloader = Reloader(switch, name, folder, publisher, build_arguments or {})
    is_live = False
    for files in changes(folder) if saved is None else saved:
        if is_live and not files:
            continue
        began = time.perf_counter()
        try:
            reloader.reload()
        except LabError as error:
            progress(f"{name} stays as it was: {error}" + (f" ({error.hint})" * bool(error.hint)))
        except ClientError as error:
            progress(f"{name} stays as it was: {error}")
        else:
            took = time.perf_counter() - began
            what = ", ".join(sorted(files)[:3]) or "what is there"
            progress(f"{what}: live after {took:.2f} s")
            event = {"function": name, "folder": str(folder), "files": sorted(files)}
            deployed(event | {"live_after_s": round(took, 2)})
        if not is_live:
            progress(f"watching {folder}; Ctrl-C ends it")
        is_live = True


class Reloader:
    """Brings a function's code, and nothing else of it, to what a folder says."""

    def __init__(
        self,
        switch: Switch,
        name: str,
        folder: Path,
        publisher: FolderPublisher,
        build_arguments: Mapping[str, str],
    ):
        self._switch = switch
        self._client = switch.client("lambda")
        self._name = name
        self._folder = folder
        self._publisher = publisher
        self._build_arguments = build_arguments

    def reload(self) -> None:
        """Do it now."""
        published = self._publisher.publish(
            self._switch, self._name, self._folder, self._build_arguments
        )
        self._client.update_function_code(FunctionName=self._name, ImageUri=published.image.uri)
        wait_until_settled(self._client, self._name)
