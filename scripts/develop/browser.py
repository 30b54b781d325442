"""A real browser for tests: Debian's Chromium, driven by Playwright's Python package.

`make browser` installs what is missing and says what answers.

Only root on Debian can install Chromium; elsewhere one that is there is taken, and without one
the tests that need it are skipped and say so.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from scripts.develop.side_packages import install_beside
from scripts.docker.apt_get import apt_get
from scripts.errors import LabError
from scripts.paths import BUILD, ROOT
from scripts.setup import SetupError

NAMES = ("chromium", "chromium-browser", "google-chrome")
LOCK = ROOT / "tests" / "browser" / "requirements.txt"
PACKAGES = BUILD / "env" / "browser"
# A test's pages are its own: nothing asks a proxy, and what it calls evil.example is this machine.
ARGUMENTS = ("--no-proxy-server", "--disable-dev-shm-usage")


class NoBrowser(LabError):
    """There is no browser here, and it can't be installed."""


def find() -> Path | None:
    """Chromium, where there is one."""
    found = (shutil.which(name) for name in NAMES)
    return next((Path(path) for path in found if path), None)


def install() -> Path:
    """Chromium and the package that drives it, each only where it is missing.

    Raises
    ------
    NoBrowser
    """
    chromium = find() or _from_debian()
    _install_driver()
    return chromium


def _install_driver() -> None:
    try:
        install_beside(LOCK, PACKAGES)
    except SetupError as error:
        raise NoBrowser(
            f"Playwright can't be installed: {error}", "it has wheels for Linux, macOS, Windows"
        ) from error


def _from_debian() -> Path:
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise NoBrowser(
            "no Chromium here, and this is not Debian as root",
            "install Chromium (Debian: `apt install chromium`) for the tests that need it",
        )
    for arguments in (("update",), ("install", "--no-install-recommends", "chromium")):
        status, said = apt_get(arguments)
        if status:
            raise NoBrowser(
                f"apt-get {' '.join(arguments)} failed:\n{said[-2000:]}",
                "install Chromium by hand",
            )
    found = find()
    if found is None:
        raise NoBrowser("Debian's chromium has no command of that name", "install it by hand")
    return found


@contextmanager
def browser(*arguments: str) -> Iterator[Any]:
    """A Playwright browser, headless, with further Chromium arguments.

    Raises
    ------
    NoBrowser
    """
    chromium = find()
    if chromium is None:
        raise NoBrowser("no Chromium here", "`make browser` (as root on Debian)")
    _install_driver()
    if str(PACKAGES) not in sys.path:
        sys.path.append(str(PACKAGES))
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(
            executable_path=str(chromium), args=[*ARGUMENTS, *arguments]
        )
        try:
            yield opened
        finally:
            opened.close()
