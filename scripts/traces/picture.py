"""A waterfall on a terminal: one bar a span, in the width that there is."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from contract.printable import printable
from scripts.traces.waterfall import SpanRow, Waterfall

_COLORS = {
    "camera": "green",
    "function": "cyan",
    "messages": "magenta",
    "transit": "yellow",
    "gap": "red",
}
_PARTS = " ▏▎▍▌▋▊▉█"
_TEXT_COLUMNS, _STATION_COLUMNS = 58, 11
_LEAST_BAR, _NARROW_BAR = 20, 8


def show(found: Waterfall, console: Console) -> None:
    """Print it. Colors only where the console is a terminal that wants them."""
    about = f"device {printable(found.device_id)}, {found.status}, {found.total_ms:.0f} ms in all"
    console.print(Text.assemble((printable(found.clip_id), "bold"), "  ", about))
    # On a narrow terminal the figures stay whole: what a span is called tells its station, too.
    is_wide = console.width >= _TEXT_COLUMNS + _LEAST_BAR
    beside = _TEXT_COLUMNS if is_wide else _TEXT_COLUMNS - _STATION_COLUMNS
    width = max(_NARROW_BAR, console.width - beside)
    table = Table(box=None, pad_edge=False, show_header=True, header_style="dim")
    if is_wide:
        table.add_column("station", no_wrap=True)
    table.add_column("what", no_wrap=True)
    table.add_column("at", justify="right", no_wrap=True)
    table.add_column("ms", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True, width=width)
    for row in found.rows:
        color = _COLORS.get(row.station, "")
        table.add_row(
            *([Text(row.station, color)] if is_wide else []),
            Text("  " * row.level + printable(row.label) + (" (in all)" if row.summed else "")),
            f"{row.offset_ms:.0f}",
            f"{row.duration_ms:.1f}",
            Text(bar(row, found.total_ms, width), color),
        )
    console.print(table)
    for note in found.notes:
        console.print(Text(f"note: {printable(note)}", "dim"))


def bar(row: SpanRow, total_ms: float, width: int) -> str:
    """The span's place and length in `width` columns; something is seen of the shortest."""
    if total_ms <= 0:
        return ""
    scale = width * 8 / total_ms
    first, last = int(row.offset_ms * scale), int((row.offset_ms + row.duration_ms) * scale)
    column = min(first // 8, width - 1)
    eighths = max(1, min(last, width * 8) - column * 8)
    return " " * column + "█" * (eighths // 8) + _PARTS[eighths % 8].strip()
