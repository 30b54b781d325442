"""What a bench found: into its file, and onto the page of all benches."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from scripts.console import Progress
from scripts.json_file import write_json
from scripts.report.bench import FILES, write_bench_page


def keep(facts: dict[str, Any], path: Path, progress: Progress) -> None:
    """Write the file, and where it is on the page of its folder, that anew."""
    write_json(path, facts)
    page = f" and {write_bench_page(path.parent)}" if path.name in FILES else ""
    progress(f"wrote {path}{page}")
