"""Where clips come from. `open_source` makes a source from what stands after `--source`."""

from __future__ import annotations

from device.sources.base import Source, SourceError, SourceOptions

__all__ = ["Source", "SourceError", "SourceOptions", "open_source"]


def open_source(spec: str, options: SourceOptions) -> Source:
    """The source that `spec` names: a path of a `.h264` file, `picamera` or `webcam[:N]`.

    Each source's module is imported only when it is chosen: picamera2 exists only on a Pi.
    """
    name, _, argument = spec.partition(":")
    if name == "picamera":
        from device.sources.picamera import PiCameraSource

        return PiCameraSource(options, camera=int(argument or 0))
    if name == "webcam":
        from device.sources.webcam import WebcamSource

        return WebcamSource(options, device=argument or "0")
    from device.sources.fixture import FixtureSource

    return FixtureSource(spec, options)
