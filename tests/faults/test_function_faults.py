"""What happens in the cloud: functions killed, frozen or asked twice, bad uploads, odd clips.

Camera and viewer are the real ones. Most of these once cost a clip, or gave it two outcomes.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import psutil

from contract.clips import ClipKey
from contract.names import CUSTOM_MODEL_KEY, GALLERY_KEY
from device.sources.fixture import cut_at_key_frames
from reconcile_event import event_for
from scripts.lab.state import LabState
from tests.conftest import Lab, wait_until
from tests.fakes.programs import Program
from tests.faults.loop import ANSWER_S, FILM, Loop, loop, stored_ref
from tests.faults.report import Row
from tests.faults.test_emulator_faults import emulator

CLIPS = 6
FROZEN_S = 5.0
# What is not answered when the camera ends is so soon, or by the reconciler.
SLOWLY = ("--speed", 2, "--answer-timeout", 20, "--drain-timeout", 20)


def functions_of(lab: Lab) -> Iterator[psutil.Process]:
    """The processes of this lab's functions, and of no other's on the machine."""
    running = LabState(lab.state).emulator()
    process = running.process() if running else None
    for child in process.children(recursive=True) if process else ():
        with contextlib.suppress(psutil.Error):
            if "AWS_LAMBDA_RUNTIME_API" in child.environ():
                yield child


@contextmanager
def again_and_again(what: Callable[[], None], pause_s: float) -> Iterator[None]:
    ended = threading.Event()

    def run() -> None:
        while not ended.wait(pause_s):
            what()

    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(run)
        try:
            yield
        finally:
            ended.set()
        running.result()


def play(made: Loop, row: Row, during: Callable[[Program], None]) -> None:
    """A camera and a viewer, `during` meanwhile; then all clips have their one outcome."""
    with made.viewer(), made.camera(CLIPS, *SLOWLY) as camera:
        during(camera)
        camera.end(ANSWER_S)
        # A letter's clip is sent once more; what has an outcome, stays as it is.
        made.lab.run("scripts.cli.reconcile", "--after", "0")
        made.wait_until_all_are_answered()
        made.fill(row)
    assert row.letters == 0, row
    row.assert_kept()


def test_function_killed_again_and_again(lab: Lab, tmp_path: Path, row: Row):
    killed = []

    def kill() -> None:
        for process in functions_of(lab):
            with contextlib.suppress(psutil.Error):
                process.kill()
                killed.append(process.pid)

    def during(camera: Program) -> None:
        camera.wait_for("uploaded")
        with again_and_again(kill, 0.4):
            camera.wait_for("uploaded", CLIPS)

    with loop(lab, tmp_path) as made:
        play(made, row, during)
    assert killed


def test_emulator_frozen(lab: Lab, tmp_path: Path, row: Row):
    def during(camera: Program) -> None:
        camera.wait_for("uploaded", 2)
        pid = emulator(lab)
        os.kill(pid, signal.SIGSTOP)
        try:
            threading.Event().wait(FROZEN_S)  # the fault itself
        finally:
            os.kill(pid, signal.SIGCONT)

    with loop(lab, tmp_path) as made:
        play(made, row, during)


def test_each_event_comes_four_times_at_once(lab: Lab, tmp_path: Path, row: Row):
    client = lab.switch.client("lambda")

    def during(camera: Program) -> None:
        for number in range(1, CLIPS + 1):
            uploaded = camera.wait_for("uploaded", number)[-1]
            clip = next(one for one in camera.of("clip") if one["clip_id"] == uploaded["clip_id"])
            event = json.dumps(event_for(stored_ref(lab, clip["key"])))
            for _ in range(3):
                client.invoke(
                    FunctionName=lab.switch.names.function,
                    InvocationType="Event",
                    Payload=event,
                )

    with loop(lab, tmp_path) as made:
        play(made, row, during)


def test_gallery_and_model_spoiled_by_an_upload(lab: Lab, tmp_path: Path, row: Row):
    s3, bucket = lab.switch.client("s3"), lab.switch.bucket
    keys = (GALLERY_KEY, CUSTOM_MODEL_KEY)
    good = {key: s3.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys}

    def during(camera: Program) -> None:
        for number, bad in enumerate((b"", b"PK\x03\x04 no zip", os.urandom(20_000))):
            for key in keys:
                s3.put_object(Bucket=bucket, Key=key, Body=bad)
            camera.wait_for("uploaded", 2 * (number + 1))

    try:
        with loop(lab, tmp_path) as made:
            play(made, row, during)
    finally:
        for key, data in good.items():
            s3.put_object(Bucket=bucket, Key=key, Body=data)


def odd_clips() -> dict[str, bytes]:
    """By key: what once got no outcome, or cost its neighbors theirs."""
    film = FILM.read_bytes()
    cut = cut_at_key_frames(film, 15)[0]
    clip = film[cut.start : cut.end]
    return {
        "clips/lab/odd/empty.h264": b"",
        "clips/lab/odd/text.h264": b"just some text\n" * 100,
        "clips/lab/odd/start codes.h264": b"\x00\x00\x01" * 700_000,
        "clips/lab/odd/half.h264": clip[: len(clip) // 2],
        "clips/lab/odd/\x0b+ü %2B.h264": clip,
        f"clips/lab/odd/{'n' * 201}.h264": clip,
    }


def test_odd_clips_and_odd_names(lab: Lab, tmp_path: Path, row: Row):
    """Each gets its one outcome, in its device's queue, and the clips around it theirs."""
    s3, clips = lab.switch.client("s3"), odd_clips()
    with loop(lab, tmp_path) as made, made.viewer() as viewer:
        for key, data in clips.items():
            # A capture time of 400 digits once silenced the viewer for good.
            metadata = {"capture-start-ms": "9" * 400, "capture-end-ms": "9" * 400}
            s3.put_object(Bucket=lab.switch.bucket, Key=key, Body=data, Metadata=metadata)

        def shown() -> list[str]:
            return [line["key"] for line in viewer.of("result") if line["key"] in clips]

        wait_until(lambda: set(shown()) == clips.keys(), ANSWER_S, "an outcome for each")
        row.count(list(clips), shown(), [])
        assert viewer.of("malformed") == []
    row.assert_kept()


def test_clips_of_a_device_without_a_queue(lab: Lab, tmp_path: Path, row: Row):
    """Nobody can be told: a letter each, and one only."""
    s3 = lab.switch.client("s3")
    keys = [str(ClipKey.new("queueless", 1_795_000_000_000, number)) for number in range(3)]
    ids = {ClipKey.parse(key).clip_id for key in keys}
    try:
        for key in keys:
            s3.put_object(Bucket=lab.switch.bucket, Key=key, Body=b"")
        with loop(lab, tmp_path) as made:
            wait_until(lambda: ids <= set(made.letters()), ANSWER_S, "the letters")
            row.count(sorted(ids), [], made.letters())
    finally:
        for key in keys:
            s3.delete_object(Bucket=lab.switch.bucket, Key=key)
    row.assert_kept()
