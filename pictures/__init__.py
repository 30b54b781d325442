"""The one reader of pictures: enrollment, training, evaluation and the dataset tools.

Whatever a folder holds, every file of it ends as taken or refused with a reason.
"""

from pictures.folders import Refusal, files_below, find_pictures
from pictures.reading import (
    FORMATS,
    MAX_PIXELS,
    PictureRefused,
    check_picture,
    read_image,
    read_rgb,
)

__all__ = [
    "FORMATS",
    "MAX_PIXELS",
    "PictureRefused",
    "Refusal",
    "check_picture",
    "files_below",
    "find_pictures",
    "read_image",
    "read_rgb",
]
