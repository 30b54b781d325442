"""Where clips come from. `open_source` makes a source from what stands after `--source`."""

from __future__ import annotations

from device.sources.base import Source, SourceError, SourceOptions

__all__ = ["Source", "SourceError", "SourceOptions", "open_source"]


def open_source(spec: str, options: SourceOptions) -> Source:
    """The source that `spec` names: a path of a `.h264` file, `picamera` or `webcam[:N]`.

    Each source's module is imported only when it is chosen: picamera2 exists only on a Pi.

    Raises
    ------
    SourceError
        When there is no such source, it can't be opened, or can't do what the options say.
    """
    name, _, argument = spec.partition(":")
    if name == "picamera":
        from device.sources.picamera import PiCameraSource

        if argument and not (argument.isascii() and argument.isdecimal() and len(argument) < 4):
            raise SourceError(
                f"--source {spec}: a camera is named by a number",
                "picamera:0 is the first one; `rpicam-hello --list-cameras` shows them",
            )
        return PiCameraSource(options, camera=int(argument or 0))
    if options.rotation or options.focus_m is not None:
        raise SourceError(
            f"--rotation and --focus are for picamera, not for {spec}",
            "a webcam is turned by hand; leave the option out",
        )
    if name == "webcam":
        from device.sources.webcam import WebcamSource

        return WebcamSource(options, device=argument or "0")
    from device.sources.fixture import FixtureSource

    return FixtureSource(spec, options)
