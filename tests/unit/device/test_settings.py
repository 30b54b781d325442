"""What people write on the command line: the edges of what is taken, and what is refused."""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import pytest

from cloud.traces import traces_folder
from device.settings import (
    add_metrics_option,
    add_source_options,
    add_spool_option,
    at_least_one,
    clip_seconds,
    focus,
    port,
    rotation,
    seconds,
    size,
    source_options,
    spool_folder,
)
from device.sources import SourceOptions


@pytest.mark.parametrize(
    ("parse", "text", "value"),
    [
        (size, "1", 1),
        (size, "512", 512),
        (size, "2k", 2048),
        (size, "1.5M", 1_572_864),
        (size, "2G", 2 * 2**30),
        (seconds, "0.001", 0.001),
        (seconds, "999999999", 999_999_999.0),
        (clip_seconds, "0.3", 0.3),
        (rotation, "0", 0),
        (rotation, "180", 180),
        (focus, "auto", None),
        (focus, "inf", math.inf),
        (focus, "0.03", 0.03),
        (at_least_one, "1", 1),
        (port, "0", 0),
        (port, "65535", 65_535),
    ],
)
def test_what_is_taken(parse, text, value):
    assert parse(text) == value


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        *((size, text) for text in ("0", "-1", "0.4", "K", "", "1T", "nan")),
        *((seconds, text) for text in ("0", "-1", "1e9", "inf", "nan", "soon")),
        *((clip_seconds, text) for text in ("0.29", "0")),
        *((rotation, text) for text in ("90", "270", "1", "-180", "up")),
        *((focus, text) for text in ("0.029", "0", "near")),
        *((at_least_one, text) for text in ("0", "-1", "1.5")),
        *((port, text) for text in ("-1", "65536", "http")),
    ],
)
def test_what_is_refused(parse, text):
    with pytest.raises((ValueError, argparse.ArgumentTypeError)):
        parse(text)


@pytest.mark.parametrize(
    ("parse", "text", "says"),
    [
        (clip_seconds, "0.1", "0.3 s or longer"),
        (rotation, "45", "0 or 180"),
        (focus, "0.01", "0.03 m"),
    ],
)
def test_a_refusal_says_what_would_be_taken(parse, text, says):
    with pytest.raises(argparse.ArgumentTypeError, match=says):
        parse(text)


def test_the_spool_is_where_the_environment_says_unless_that_is_empty(monkeypatch):
    for setting, folder in (("/mnt/usb", "/mnt/usb"), ("", "out/spool")):
        monkeypatch.setenv("FACELAB_SPOOL", setting)
        assert spool_folder() == Path(folder)
    monkeypatch.delenv("FACELAB_SPOOL")
    assert spool_folder() == Path("out/spool")


def test_env_names_the_spool_and_switches_traces_off_for_the_device_too(monkeypatch, tmp_path):
    """The function obeyed a line of `.env`, the device wrote its spans all the same."""
    monkeypatch.chdir(tmp_path)
    for name in ("FACELAB_SPOOL", "FACELAB_TRACES"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / ".env").write_text("FACELAB_SPOOL=/mnt/usb\nFACELAB_TRACES=off\n")
    assert spool_folder() == Path("/mnt/usb")
    assert traces_folder(spool_folder()) is None


def test_what_was_asked_of_the_source_reaches_it(monkeypatch):
    monkeypatch.delenv("FACELAB_SPOOL", raising=False)
    parser = argparse.ArgumentParser()
    add_source_options(parser)
    add_spool_option(parser, "folder")
    add_metrics_option(parser)
    usual = parser.parse_args([])
    assert (usual.source, usual.metrics_port) == ("fixtures/lab.h264", None)
    assert usual.spool == Path("out/spool")
    assert source_options(usual, 0.5) == SourceOptions(
        clip_seconds=0.5, fps=30, width=640, height=480, bitrate=4_000_000, rotation=0,
        focus_m=None, loop=False, speed=1,
    )  # fmt: skip
    line = (
        "--loop --speed 2 --fps 25 --width 320 --height 240 --bitrate 9 --rotation 180 --focus inf"
    )
    assert source_options(parser.parse_args(line.split()), 2.0) == SourceOptions(
        clip_seconds=2.0, fps=25, width=320, height=240, bitrate=9, rotation=180,
        focus_m=math.inf, loop=True, speed=2,
    )  # fmt: skip
