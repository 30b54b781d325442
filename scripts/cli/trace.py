"""One clip's life from shutter to screen, with the time that each station took.

Where OTEL_EXPORTER_OTLP_ENDPOINT names a collector, it gets the same spans; with --follow, those
of each clip from now on.
"""

from __future__ import annotations

import json
import sys
import time

from rich.console import Console

from cloud.switch import environment, read_switch
from cloud.traces import traces_folder
from device.settings import spool_folder
from scripts.cli.parsing import task_parser
from scripts.console import Progress, print_json, run_command
from scripts.traces.device_spans import DeviceSpans
from scripts.traces.following import Following
from scripts.traces.function_log import FunctionLog
from scripts.traces.otlp import NotExported, collector, export
from scripts.traces.picture import show
from scripts.traces.waterfall import Waterfall, waterfall

LOOK_S = 1.0


def _follow(log: FunctionLog, spans: DeviceSpans, is_json: bool) -> None:
    """Until the process is told to end. A collector that is away costs the clips of that time."""
    progress, console, url = Progress(is_json), Console(file=sys.stdout), collector(environment())
    following = Following(log, spans)
    progress(f"each clip from now on{f', also to {url}' if url else ''}; Ctrl-C ends")
    while True:
        for found in following.look():
            if is_json:
                print(json.dumps(found.to_fields()), flush=True)
            else:
                show(found, console)
            try:
                _send(found)
            except NotExported as error:
                progress(f"{found.clip_id} was not sent: {error}")
        time.sleep(LOOK_S)  # between looks


def _send(found: Waterfall) -> str | None:
    """Where to; None where nobody asks."""
    url = collector(environment())
    if url:
        export(found, url, environment())
    return url


def main(arguments: list[str] | None = None) -> int:
    parser = task_parser("trace", __doc__)
    parser.add_argument(
        "clip", nargs="?", default="", help="a clip's id, or how it begins or ends (the newest)"
    )
    parser.add_argument("--follow", "-f", action="store_true", help="every clip from now on")
    options = parser.parse_args(arguments)
    if options.clip and options.follow:
        parser.error("a clip, or --follow")
    log, spans = FunctionLog(read_switch()), DeviceSpans(traces_folder(spool_folder()))
    if options.follow:
        _follow(log, spans, options.json)
    line = log.find(options.clip)
    spans.refresh()
    found = waterfall(line, spans.of(line.device_id, line.clip_id))
    if options.json:
        print_json(found.to_fields())
    else:
        show(found, Console(file=sys.stdout))
    if url := _send(found):  # a collector that is away takes nobody's picture
        Progress(options.json)(f"sent to {url}")
    return 0


if __name__ == "__main__":
    run_command(main)
