"""What thousands of clips cost the dashboard's server."""

from __future__ import annotations

import subprocess
import sys

from scripts.paths import ROOT

CLIPS = 10_000
MOST_MB = 15
MEASURE = f"""
import json, pathlib, psutil, tempfile
from device.spans import span_file
from scripts.dashboard.history import ClipHistory
from scripts.dashboard.memory import give_back
from scripts.traces.clip_line import read_clip_line
from scripts.traces.device_spans import DeviceSpans
from tests.fakes.results import ADA, face
from tests.unit.scripts.test_traces import a_message

me = psutil.Process()
message = a_message("CLIP", face(ADA, ADA))
names = dict(camera=("record", "cut", "spool", "upload"), messages=("receive", "print"))
with tempfile.TemporaryDirectory() as folder:
    for program, spans in names.items():
        path = span_file(pathlib.Path(folder), "lab", program)
        path.parent.mkdir(exist_ok=True)
        with path.open("w") as file:
            for clip in range({CLIPS}):
                for name in spans:
                    json.dump(dict(clip_id=f"20261129T021035270Z-{{clip:06d}}-fd1c4f", name=name,
                                   station=program, start_ms=1795918235270.12 + clip,
                                   duration_ms=12.5), file)
                    file.write("\\n")
    give_back()
    before = me.memory_info().rss
    history, traces = ClipHistory(), DeviceSpans(pathlib.Path(folder))
    for clip in range({CLIPS}):
        text = message.replace("CLIP", f"20261129T021035270Z-{{clip:06d}}-fd1c4f")
        history.add(text, read_clip_line(text, clip))
    traces.refresh()
    give_back()
    clip = history.newest(1)[0]
    assert len(history) == {CLIPS} and len(traces.of("lab", clip.clip_id)) == 6
    print((me.memory_info().rss - before) / 1e6)
"""


def test_ten_thousand_clips_and_their_spans_take_little():
    done = subprocess.run(
        [sys.executable, "-c", MEASURE], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    grown_mb = float(done.stdout)
    print(f"{CLIPS} clips: {grown_mb:.1f} MB")
    assert grown_mb < MOST_MB
