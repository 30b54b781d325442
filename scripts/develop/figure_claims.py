"""Where a document says one of the figures in its own words."""

from __future__ import annotations

import re
from collections.abc import Iterator

from scripts.develop.figure_tables import BLOCK
from scripts.develop.figures import BACKENDS, LAB_COMMANDS, Figures, values

# What a document says of a figure, in words, and which figures these words may be followed by.
_NUMBER = re.compile(r"(?P<number>\d+(?:\.\d+)?) (?P<unit>ms|s)\b")
_SAID: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        r"clip end to (?:its )?(?:printed|screen)|a clip takes (?=\d)",
        (
            "loop.p50_ms",
            *(f"e2e_{backend}.{of}_ms" for backend in BACKENDS for of in ("p50", "p95", "max")),
        ),
    ),
    (r"a cold start (?:is|takes|costs|of)? ?(?=\d)", ("loop.cold_ms",)),
    (r"the emulator adds|the emulator's share", ("overhead_embedded.ms", "overhead_docker.ms")),
    (
        r"(?:from|message in) (?:its|a) queue (?:through|to) its function",
        ("queue_embedded.p50_ms", "queue_docker.p50_ms"),
    ),
    (
        r"saved file to (?:its|an) answer|save to (?:new )?answer",
        ("reload_embedded.p50_ms", "reload_docker.p50_ms"),
    ),
    (r"function init|init of the function", ("compute.init_ms", "compute.report_init_ms")),
    *(
        (
            rf"`make {name}`[^.|`]*? (?:takes|in|within) (?:about )?(?=\d)",
            tuple(f"lab_{backend}.{one}_ms" for backend in BACKENDS for one in commands),
        )
        for name, commands in (
            ("up", ("up_cold", "up_warm")),
            *((one, (one,)) for one in LAB_COMMANDS[2:]),
        )
    ),
)
# So far behind the words a number is still theirs.
_REACH = 60


def misstated(text: str, figures: Figures) -> Iterator[str]:
    """Where a document says one of the figures with a number that was not measured.

    As far as a program can tell: by the words that the documents have for it. What is made of
    figures is left out.
    """
    own_words = re.sub(r"\s+", " ", BLOCK.sub("", text))
    for words, names in _SAID:
        known = [
            milliseconds
            for run, _, figure in (name.partition(".") for name in names)
            if (milliseconds := values(figures, run).get(figure)) is not None
        ]
        for said in re.finditer(words, own_words, re.IGNORECASE):
            found = _NUMBER.search(own_words, said.end(), said.end() + _REACH)
            if found and not any(_is_rounded(found, milliseconds) for milliseconds in known):
                yield own_words[said.start() : found.end()]


def _is_rounded(said: re.Match[str], milliseconds: float) -> bool:
    digits = len(said["number"].partition(".")[2])
    value = milliseconds if said["unit"] == "ms" else milliseconds / 1000
    return abs(float(said["number"]) - value) <= 0.5 * 10**-digits + 1e-9
