"""Values that people write on the command line and in the environment."""

from __future__ import annotations

import argparse
import inspect
import sys
from pathlib import Path

from cloud.switch import environment
from device.sources.base import SourceOptions

FIXTURE = "fixtures/lab.h264"
MIN_CLIP_S = 0.3
MIN_FOCUS_M = 0.03


def program_parser(name: str, module: str, about: str | None) -> argparse.ArgumentParser:
    """The parser of a program here, with `--json`. `module` is its `__name__`: on a device it is
    run by itself, in a lab as `facelab NAME`."""
    file = Path(sys.argv[0]).stem
    parser = argparse.ArgumentParser(
        prog=f"python -m device.{file}" if module == "__main__" else f"facelab {name}",
        description=inspect.cleandoc(about or ""),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--json", action="store_true", help="JSON, and nothing else on stdout")
    return parser


def size(text: str) -> int:
    """`512M` in bytes; K, M and G are powers of 1024.

    Raises
    ------
    ValueError
        When it is no such number, or none above 0.
    """
    units = {"K": 1024, "M": 1024**2, "G": 1024**3}
    number, unit = (text[:-1], units[text[-1].upper()]) if text[-1:].upper() in units else (text, 1)
    value = round(float(number) * unit)
    if value <= 0:
        raise ValueError(text)
    return value


def seconds(text: str) -> float:
    """A number above 0 and below a billion.

    Raises
    ------
    ValueError
        When it is not.
    """
    value = float(text)
    if not 0 < value < 1e9:
        raise ValueError(text)
    return value


def clip_seconds(text: str) -> float:
    """The length of a clip, s.

    Raises
    ------
    argparse.ArgumentTypeError
        When a clip of that length could not be made.
    ValueError
        When it is no number above 0.
    """
    value = seconds(text)
    if value < MIN_CLIP_S:
        raise argparse.ArgumentTypeError(f"a clip is {MIN_CLIP_S} s or longer")
    return value


def rotation(text: str) -> int:
    """Degrees: 0 or 180.

    Raises
    ------
    argparse.ArgumentTypeError
        When it is another angle.
    ValueError
        When it is no whole number.
    """
    value = int(text)
    if value in (90, 270):
        raise argparse.ArgumentTypeError(
            f"the Pi's camera can't turn a picture by {value} degrees, only by 180, and its "
            "encoder none: turn the camera itself"
        )
    if value not in (0, 180):
        raise argparse.ArgumentTypeError("0 or 180 degrees")
    return value


def focus(text: str) -> float | None:
    """`auto` (None), `inf`, or a distance in meters.

    Raises
    ------
    argparse.ArgumentTypeError
        When it is nearer than a lens can focus.
    ValueError
        When it is no number.
    """
    if text == "auto":
        return None
    value = float(text)
    if not value >= MIN_FOCUS_M:
        raise argparse.ArgumentTypeError(f"`auto`, `inf`, or {MIN_FOCUS_M} m and more")
    return value


def at_least_one(text: str) -> int:
    """A whole number from 1 on.

    Raises
    ------
    ValueError
        When it is not.
    """
    value = int(text)
    if value < 1:
        raise ValueError(text)
    return value


def spool_folder() -> Path:
    """Where the spools are, unless `--spool` says otherwise."""
    return Path(environment().get("FACELAB_SPOOL") or "out/spool")


def port(text: str) -> int:
    """A port's number; 0 leaves the choice to the system.

    Raises
    ------
    ValueError
        When no port has this number.
    """
    value = int(text)
    if not 0 <= value <= 65_535:
        raise ValueError(text)
    return value


def add_metrics_option(parser: argparse.ArgumentParser) -> None:
    """`--metrics-port N`, the same for every program."""
    parser.add_argument(
        "--metrics-port",
        type=port,
        metavar="N",
        help="metrics for Prometheus at http://127.0.0.1:N/metrics (0: a free port; default: none)",
    )


def add_spool_option(parser: argparse._ActionsContainer, what: str) -> None:
    """`--spool DIR`, the same for every program; `what` says what this one does with it."""
    parser.add_argument(
        "--spool",
        type=Path,
        default=spool_folder(),
        metavar="DIR",
        help=f"{what} (default: FACELAB_SPOOL, out/spool)",
    )


def add_source_options(parser: argparse.ArgumentParser) -> None:
    """What says where pictures come from: `source_options` reads it."""
    group = parser.add_argument_group("source")
    group.add_argument(
        "--source",
        default=FIXTURE,
        help="a .h264 file, picamera or webcam[:N] (default: %(default)s)",
    )
    group.add_argument("--loop", action="store_true", help="play a file over and over")
    group.add_argument(
        "--speed", type=seconds, default=1.0, metavar="X", help="play a file X times as fast"
    )
    group.add_argument(
        "--fps", type=seconds, default=30.0, help="frames a second (default: %(default)g)"
    )
    group.add_argument("--width", type=at_least_one, default=640, help="px, cameras only")
    group.add_argument("--height", type=at_least_one, default=480, help="px, cameras only")
    group.add_argument(
        "--bitrate", type=at_least_one, default=4_000_000, help="bits a second, cameras only"
    )
    group.add_argument(
        "--rotation",
        type=rotation,
        default=0,
        metavar="DEGREES",
        help="180 for a Pi camera that hangs upside down",
    )
    group.add_argument(
        "--focus",
        type=focus,
        default=None,
        metavar="METERS",
        help="hold a Pi camera's lens at this distance (`inf` too); by default it focuses by "
        "itself where it can",
    )


def source_options(options: argparse.Namespace, clip_seconds: float) -> SourceOptions:
    """What `add_source_options` parsed, for clips of this length."""
    return SourceOptions(
        clip_seconds=clip_seconds,
        fps=options.fps,
        width=options.width,
        height=options.height,
        bitrate=options.bitrate,
        rotation=options.rotation,
        focus_m=options.focus,
        loop=options.loop,
        speed=options.speed,
    )
