"""How S3's events reach the function."""

from __future__ import annotations

from cloud.switch import InvalidSetting, environment

EVENTS_SETTING = "FACELAB_EVENTS"
PATHS = ("direct", "queue")


def event_path() -> str:
    """`direct`: S3 invokes the function; `queue`: through a queue of SQS (FACELAB_EVENTS).

    Raises
    ------
    InvalidSetting
        When the setting is neither.
    """
    path = environment().get(EVENTS_SETTING) or PATHS[0]
    if path not in PATHS:
        raise InvalidSetting(f"{EVENTS_SETTING}={path} is not one of {', '.join(PATHS)}")
    return path
