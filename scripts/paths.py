"""Where the checkout keeps what, and what Python must find there."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"


def import_roots() -> list[str]:
    return [str(ROOT), str(ROOT / "lambda"), str(ROOT / "localstack")]
