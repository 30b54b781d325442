"""`facelab browser`: the browser of `make test ARGS=tests/browser`."""

from __future__ import annotations

import subprocess

from scripts.cli.parsing import task_parser, tell
from scripts.console import Progress
from scripts.develop import browser


def main(arguments: list[str] | None = None) -> int:
    options = task_parser("browser", browser.__doc__).parse_args(arguments)
    with Progress(quiet=options.json).usual("providing a browser", "browser"):
        chromium = browser.install()
    asked = subprocess.run([str(chromium), "--version"], capture_output=True, text=True)
    found = {"path": str(chromium), "version": asked.stdout.strip()}
    tell(found, lambda one: f"{one['version']} at {one['path']}", as_json=options.json)
    return 0
