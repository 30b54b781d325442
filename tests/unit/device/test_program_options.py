"""What the programs do unasked, as their help says it; and what a signal does to them."""

from __future__ import annotations

import itertools
import os
import signal
import threading

import pytest

from device import camera, messages, pictures, spooled, stopping
from device.signals import tell_of_signals
from device.sources import SourceOptions
from device.sources.fixture import FixtureSource
from tests.fakes.h264 import stream


@pytest.fixture(autouse=True)
def _usual(monkeypatch):
    monkeypatch.delenv("FACELAB_SPOOL", raising=False)


@pytest.mark.parametrize(
    ("program", "arguments", "usual"),
    [
        (
            camera, [],
            {"device": None, "clip_seconds": 0.5, "count": None, "json": False,
             "spool_budget": 2 * 2**30, "workers": 4, "drain_timeout": 60.0,
             "keep_until_answered": True, "answer_timeout": 300.0, "metrics_port": None,
             "gate": None},
        ),
        (
            messages, [],
            {"device": None, "count": None, "idle_timeout": None, "json": False, "log": None,
             "metrics_port": None},
        ),
        (spooled, ["list"], {"device": None, "timeout": 600.0, "workers": 4, "json": False}),
        (
            pictures, ["--name", "Ada Lovelace"],
            {"person_id": None, "count": 20, "from_clip": None, "interval": 0.5, "countdown": 3,
             "min_face": 80, "min_sharpness": 40.0, "no_face_check": False, "json": False},
        ),
    ],
    ids=["camera", "messages", "spooled", "pictures"],
)  # fmt: skip
def test_what_a_program_does_unasked(program, arguments, usual):
    options = vars(program._parser().parse_args(arguments))
    assert {name: options[name] for name in usual} == usual


@pytest.mark.parametrize(
    ("program", "arguments"),
    [(pictures, []), (spooled, []), (pictures, ["--name", "A", "--session", ".hidden"]),
     (pictures, ["--name", "A", "--session", "a/b"]), (pictures, ["--name", "A", "--session", ""])],
)  # fmt: skip
def test_what_a_program_can_not_do_without_is_asked_for(program, arguments):
    with pytest.raises(SystemExit):
        program._parser().parse_args(arguments)


def test_people_read_how_many_pictures_there_are_and_how_to_go_on(tmp_path, capsys, monkeypatch):
    film = tmp_path / "film.h264"
    film.write_bytes(stream(61))
    monkeypatch.setattr(pictures, "stop_on_signals", threading.Event)
    monkeypatch.setattr(pictures, "lab_face_finder", lambda: lambda picture: [])
    monkeypatch.setattr(pictures, "pictures_of", lambda clip: clip)
    answers = iter(
        [pictures.Refused("blurred"), pictures.Portrait(None, None), pictures.Refused("no face")]
    )
    monkeypatch.setattr(pictures, "choose", lambda *_: next(answers, pictures.Refused("dark")))
    monkeypatch.setattr(pictures.Session, "save", lambda self, portrait: self.originals / "1.png")
    who = ["--name", "Ada Lovelace", "--session", "s", "--data", str(tmp_path / "data")]
    assert pictures.main([*who, "--from-clip", str(film), "--count", "2"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "not taken: blurred"
    assert lines[1].startswith("1 of 2: ")
    assert lines[-2].startswith("1 pictures in ")
    assert lines[-2].endswith(", 4 moments not taken.")
    assert lines[-1].startswith('Enroll:  make enroll PERSON="Ada Lovelace"')
    assert "ARGS" not in lines[-1]
    answers = iter([pictures.Portrait(None, None)])
    named = [*who, "--from-clip", str(film), "--count", "1", "--person-id", "ada-2"]
    assert pictures.main(named) == 0
    assert capsys.readouterr().out.rstrip().endswith("ARGS='--person-id ada-2'")
    assert pictures.main([*who, "--from-clip", str(film)]) == 1
    assert "Enroll" not in capsys.readouterr().out


def test_the_countdown_counts_each_second_and_ends_when_told(capsys):
    class Stop(threading.Event):
        def wait(self, timeout=None):
            waits.append(timeout)
            return len(waits) == 2

    waits: list[float] = []
    pictures._count_down(3, Stop(), pictures.Console())
    assert waits == [1.0, 1.0]
    assert capsys.readouterr().out == "Look at the camera: 3\nLook at the camera: 2\n"
    waits.clear()
    pictures._count_down(1, Stop(), pictures.Console())
    assert waits == [1.0]
    assert capsys.readouterr().out == "Look at the camera: 1\n"
    waits.clear()
    pictures._count_down(0, Stop(), pictures.Console())
    assert waits == []


def test_the_first_signal_asks_and_the_second_ends(monkeypatch):
    told: list = []
    ends: list[int] = []
    monkeypatch.setattr(stopping, "tell_of_signals", lambda *both: told.extend(both))
    monkeypatch.setattr(stopping.os, "_exit", ends.append)
    stop = stopping.stop_on_signals()
    numbers, on_signal = told
    assert {*numbers} == {signal.SIGINT, signal.SIGTERM}
    assert not stop.is_set()
    on_signal(signal.SIGTERM)
    assert (stop.is_set(), ends) == (True, [])
    on_signal(signal.SIGINT)
    assert ends == [128 + 2]


@pytest.fixture
def own_signals():
    kept = signal.getsignal(signal.SIGUSR1)
    yield
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGUSR1, kept)


def test_each_signal_is_told_in_a_thread_that_holds_up_no_end(own_signals):
    told: list[tuple[int, str, bool]] = []
    twice = threading.Event()

    def note(number: int) -> None:
        thread = threading.current_thread()
        told.append((number, thread.name, thread.daemon))
        if len(told) == 2:
            twice.set()

    tell_of_signals([signal.SIGUSR1], note)
    for _ in range(2):
        os.kill(os.getpid(), signal.SIGUSR1)
    assert twice.wait(10)
    assert told == [(signal.SIGUSR1, "signals", True)] * 2


def test_a_film_s_first_clip_begins_now_and_each_where_the_last_one_ended(tmp_path):
    film = tmp_path / "film.h264"
    film.write_bytes(stream(45))
    now_ns = 7_000_000_000
    source = FixtureSource(film, SourceOptions(fps=10, speed=1e6), lambda: now_ns)
    times = [
        (clip.start_ns - now_ns, clip.end_ns - now_ns) for clip in source.clips(threading.Event())
    ]
    ends = [round(frames * 1e9 / (10 * 1e6)) for frames in (0, 15, 30, 45)]
    assert times == list(itertools.pairwise(ends))
