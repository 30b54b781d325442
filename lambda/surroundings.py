"""What the stack tells the functions by their environment's variables."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Surroundings:
    """`prefix` begins the names of all the lab's resources, `bucket` is where clips come."""

    prefix: str
    bucket: str

    @classmethod
    def of_function(cls) -> Surroundings:
        """Those of the function that this is.

        Raises
        ------
        KeyError
            When a variable is not set.
        """
        return cls(os.environ["FACELAB_PREFIX"], os.environ["FACELAB_BUCKET"])


def set_log_level() -> None:
    """Let the log have what `FACELAB_LOG_LEVEL` asks for, and of botocore its warnings."""
    logging.getLogger().setLevel(os.environ.get("FACELAB_LOG_LEVEL", "INFO"))
    logging.getLogger("botocore").setLevel("WARNING")
