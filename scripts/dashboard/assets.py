"""The page's own files: styles, scripts, and what is vendored."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

FOLDER = Path(__file__).resolve().parent / "static"


class Assets(StaticFiles):
    """Each has an address that says what is in it: a browser asks for it once, and for another one
    when it has changed."""

    def __init__(self) -> None:
        super().__init__(directory=FOLDER)
        self._marks = {
            path.name: hashlib.sha256(path.read_bytes()).hexdigest()[:12]
            for path in FOLDER.iterdir()
        }

    def address(self, name: str) -> str:
        return f"/static/{name}?{self._marks[name]}"

    def file_response(
        self, full_path: Any, stat_result: os.stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        answer = super().file_response(full_path, stat_result, scope, status_code)
        is_of_now = scope["query_string"].decode() == self._marks.get(Path(full_path).name)
        answer.headers["cache-control"] = (
            "private, max-age=31536000, immutable" if is_of_now else "no-cache"
        )
        return answer
