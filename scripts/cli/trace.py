"""One clip's life from shutter to screen, with the time that each station took.

Where OTEL_EXPORTER_OTLP_ENDPOINT names a collector, it gets the same spans.
"""

from __future__ import annotations

import argparse
import sys

from rich.console import Console

from cloud.switch import environment, read_switch
from device.settings import spool_folder
from device.spans import traces_folder
from scripts.console import Progress, print_json, run_command
from scripts.traces.device_spans import DeviceSpans
from scripts.traces.function_log import FunctionLog
from scripts.traces.otlp import collector, export
from scripts.traces.picture import show
from scripts.traces.waterfall import waterfall


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="facelab trace", description=__doc__)
    parser.add_argument(
        "clip", nargs="?", default="", help="a clip's id, or how it begins or ends (the newest)"
    )
    parser.add_argument("--json", action="store_true", help="spans with start and duration in ms")
    options = parser.parse_args(arguments)
    line = FunctionLog(read_switch()).find(options.clip)
    spans = DeviceSpans(traces_folder(spool_folder()))
    spans.refresh()
    found = waterfall(line, spans.of(line.device_id, line.clip_id))
    if url := collector(environment()):
        export(found, url, environment())
        Progress(options.json)(f"sent to {url}")
    if options.json:
        print_json(found.to_fields())
    else:
        show(found, Console(file=sys.stdout))
    return 0


if __name__ == "__main__":
    run_command(main)
