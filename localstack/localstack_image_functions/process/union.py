"""An image's files laid over the host's: two trees shown as one, by as few mounts as it takes."""

from __future__ import annotations

import os
from collections.abc import Mapping, Set
from pathlib import Path


class Union:
    """Which source is shown at which place, and which links there are.

    A folder that only one tree has is one mount. One that both have is taken apart: the host's
    entries one by one, the image's before them.
    """

    def __init__(
        self, places: Mapping[str, str], links: Mapping[str, str], own: Set[str] = frozenset()
    ) -> None:
        self.places = dict(places)
        self.links = dict(links)
        self._own = own

    def lay_over(self, image: Path) -> None:
        """Show the files below `image` too."""
        for entry in sorted(image.iterdir()):
            self._lay(f"/{entry.name}", entry)

    def _lay(self, place: str, source: Path) -> None:
        if place in self._own:
            return
        if source.is_symlink():
            # A link is a link in there: followed out here it would show what it names on the host.
            self._open_above(place)
            self.links.setdefault(place, os.readlink(source))
            return
        if place in self.links:
            if source.is_dir():
                target = os.path.join(os.path.dirname(place), self.links[place])
                for entry in sorted(source.iterdir()):
                    self._lay(f"{os.path.normpath(target)}/{entry.name}", entry)
                return
            del self.links[place]
        self._open_above(place)
        here = self.places.get(place)
        beside = f"{place}/"
        inside = any(name.startswith(beside) for name in (*self.places, *self.links, *self._own))
        if not source.is_dir() or not (inside or (here and os.path.isdir(here))):
            self.places[place] = str(source)
            return
        if here:
            self._split(place)
        for entry in sorted(source.iterdir()):
            self._lay(f"{beside}{entry.name}", entry)

    def _open_above(self, place: str) -> None:
        """Take the host's folders above `place` apart: nothing can be put into a mount."""
        parts = place.split("/")[1:-1]
        for end in range(1, len(parts) + 1):
            above = "/" + "/".join(parts[:end])
            if above in self.places:
                self._split(above)

    def _split(self, place: str) -> None:
        source = self.places.pop(place)
        with os.scandir(source) as entries:
            for entry in entries:
                inside = f"{place}/{entry.name}"
                if entry.is_symlink():
                    self.links[inside] = os.readlink(entry.path)
                elif entry.is_dir() or entry.is_file():
                    self.places[inside] = entry.path
