"""Collect pictures of a person for enrollment and training: `python -m device.pictures`.

One clear, sharp picture with one face in it every half second or so, until there are enough.
"""

from __future__ import annotations

import signal
from pathlib import Path

if __name__ == "__main__":  # Ctrl-C while the imports run: end, without a traceback
    signal.signal(signal.SIGINT, signal.SIG_DFL)

import argparse
from datetime import datetime
from threading import Event

from contract.people import InvalidName, InvalidPersonId, check_person_id, clean_name
from device.console import Console, fail
from device.errors import DeviceError
from device.portraits.choosing import (
    MIN_FACE_PX,
    MIN_SHARPNESS,
    Portrait,
    Refused,
    Rules,
    Session,
    choose,
)
from device.portraits.decoding import ClipUndecodable, pictures_of
from device.portraits.faces import FaceFinder, NoFaceFinder, lab_face_finder
from device.settings import (
    add_source_options,
    at_least_one,
    clip_seconds,
    program_parser,
    seconds,
    source_options,
)
from device.sources import open_source
from device.stopping import stop_on_signals

# Fast enough that a recorded file is not waited for.
NO_PACE = 1e6


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    console = Console(options.json)
    try:
        return _collect(options, console)
    except DeviceError as error:
        return fail(error)


def _collect(options: argparse.Namespace, console: Console) -> int:
    stop = stop_on_signals()
    find = None if options.no_face_check else _face_finder(console)
    rules = Rules(options.min_face, options.min_sharpness)
    session = Session(options.data, options.person_id or options.name, options.session)
    if options.from_clip is not None:
        options.source, options.speed = str(options.from_clip), NO_PACE
    saved = refused = 0
    if options.from_clip is None:
        _count_down(options.countdown, stop, console)
    with open_source(options.source, source_options(options, options.interval)) as source:
        for footage in source.clips(stop):
            try:
                chosen = choose(pictures_of(footage.data), find, rules)
            except ClipUndecodable as error:
                chosen = Refused(str(error))
            if isinstance(chosen, Portrait):
                path = session.save(chosen)
                saved += 1
                console.say(f"{saved} of {options.count}: {path}")
                console.event("picture", path=str(path), number=saved)
            else:
                refused += 1
                console.say(f"not taken: {chosen.reason}")
                console.event("refused", reason=chosen.reason)
            if saved >= options.count:
                break
    console.say(f"{saved} pictures in {session.folder}, {refused} moments not taken.")
    if saved:
        console.say(
            f'Enroll:  make enroll PERSON="{options.name}" MAJOR=… YEAR=… '
            f"PHOTOS={session.originals}"
            + (f" ARGS='--person-id {options.person_id}'" if options.person_id else "")
        )
    console.event("summary", saved=saved, refused=refused, folder=str(session.folder))
    return 0 if saved >= options.count else 1


def _face_finder(console: Console) -> FaceFinder | None:
    try:
        return lab_face_finder()
    except NoFaceFinder as error:
        console.say(f"No face check: {error}. Whole pictures are kept; enrollment checks them.")
        console.event("no_face_check", reason=str(error))
        return None


def _count_down(count: int, stop: Event, console: Console) -> None:
    for left in range(count, 0, -1):
        console.say(f"Look at the camera: {left}")
        if stop.wait(1.0):
            return


def _name(text: str) -> str:
    try:
        return clean_name(text)
    except InvalidName as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _person_id(text: str) -> str:
    try:
        return check_person_id(text)
    except InvalidPersonId as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _session(text: str) -> str:
    if not text or "/" in text or text.startswith("."):
        raise argparse.ArgumentTypeError("a session is a folder's plain name")
    return text


def _parser() -> argparse.ArgumentParser:
    parser = program_parser("pictures", __name__, __doc__)
    parser.add_argument("--name", required=True, type=_name, help='the person: "Ada Lovelace"')
    parser.add_argument(
        "--person-id",
        type=_person_id,
        metavar="ID",
        help="of two people of one name, who: their id, as `make roster` lists it",
    )
    parser.add_argument("--count", type=at_least_one, default=20, metavar="N", help="default: 20")
    parser.add_argument(
        "--from-clip", type=Path, metavar="FILE", help="take them from a recorded .h264 file"
    )
    parser.add_argument(
        "--data",
        type=Path,
        default=Path("out/data"),
        metavar="DIR",
        help="folder of all people (default: %(default)s)",
    )
    parser.add_argument(
        "--session",
        type=_session,
        default=datetime.now().strftime("%Y-%m-%d-%H%M"),
        help="folder of this sitting (default: now)",
    )
    parser.add_argument(
        "--interval",
        type=clip_seconds,
        default=0.5,
        metavar="S",
        help="one picture every S seconds (default: %(default)g)",
    )
    parser.add_argument("--countdown", type=int, default=3, metavar="S", help="default: 3 seconds")
    parser.add_argument(
        "--min-face",
        type=at_least_one,
        default=MIN_FACE_PX,
        metavar="PX",
        help="height of a face, from there on (default: %(default)s)",
    )
    parser.add_argument(
        "--min-sharpness",
        type=seconds,
        default=MIN_SHARPNESS,
        metavar="X",
        help="a higher one is sharper (default: %(default)g)",
    )
    parser.add_argument(
        "--no-face-check", action="store_true", help="keep whole pictures, sharp ones only"
    )
    add_source_options(parser)
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
