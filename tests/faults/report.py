"""What each fault did to the clips: out/faults.json for programs, out/faults.html for people."""

from __future__ import annotations

import html
import json
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path

COLUMNS = ("sent", "answered", "letters", "lost", "twice", "wrong")


@dataclass
class Row:
    """One fault and the clips that met it.

    `sent`: clips that the camera said it recorded (or messages put into the queue, for faults
    of messages alone). `answered`: of those, shown at least once. `lost`: neither shown nor in a
    dead letter. `twice`: shown more than once. `wrong`: a result that names somebody who is not
    in the clip, or that belongs to another device.
    """

    fault: str
    sent: int = 0
    answered: int = 0
    letters: int = 0
    lost: int = 0
    twice: int = 0
    wrong: int = 0
    commit: str = ""

    def count(
        self,
        sent: list[str],
        shown: list[str],
        letters: list[str] | None = None,
        wrong: int = 0,
        may_repeat: int = 0,
    ) -> Row:
        """Fill in from ids. `may_repeat`: results that a kill may have shown again."""
        times = Counter(shown)
        written = set(letters or ()) & set(sent)
        self.sent = len(set(sent))
        self.answered = len(set(sent) & times.keys())
        self.letters = len(written)
        self.lost = len(set(sent) - times.keys() - written)
        self.twice = max(0, sum(times[one] > 1 for one in set(sent)) - may_repeat)
        self.wrong = wrong + len(times.keys() - set(sent))
        return self

    def assert_kept(self) -> None:
        """Every clip came to exactly one outcome, and that is its own."""
        assert self.sent > 0, f"{self.fault}: nothing was sent"
        assert (self.lost, self.twice, self.wrong) == (0, 0, 0), self
        assert self.answered + self.letters == self.sent, self


@dataclass
class Report:
    """All rows of a run."""

    rows: list[Row] = field(default_factory=list)

    def write(self, folder: Path, commit: str) -> None:
        """Write both. Rows of other faults stay when they are of this commit: parts of a run."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "faults.json"
        for row in self.rows:
            row.commit = commit
        mine = {row.fault for row in self.rows}
        earlier = (row for row in _rows_in(path) if row.commit == commit)
        self.rows = [*(row for row in earlier if row.fault not in mine), *self.rows]
        facts = [asdict(row) for row in self.rows]
        path.write_text(json.dumps(facts, indent=1) + "\n", "utf-8")
        (folder / "faults.html").write_text(self._page(), "utf-8")

    def _page(self) -> str:
        head = "".join(f"<th>{name}</th>" for name in ("fault", *COLUMNS))
        body = "\n".join(map(_line, self.rows))
        bad = sum(bool(row.lost or row.twice or row.wrong) for row in self.rows)
        told = f"{bad} of them lost, doubled or mistook a clip" if bad else "all of them harmless"
        return (
            '<!doctype html><html lang="en"><meta charset="utf-8"><title>facelab: faults</title>'
            "<style>body{font:15px system-ui;margin:2em}td,th{padding:.2em .8em;text-align:right;"
            "border-bottom:1px solid #ccc}td:first-child,th:first-child{text-align:left}"
            ".bad{background:#fdd}</style>"
            f"<h1>{len(self.rows)} faults, {told}</h1>"
            f"<table><tr>{head}</tr>\n{body}</table></html>\n"
        )


def _rows_in(path: Path) -> list[Row]:
    """The rows of an earlier run; none where there was none, or of another form."""
    try:
        return [Row(**facts) for facts in json.loads(path.read_text("utf-8"))]
    except (OSError, ValueError, TypeError):
        return []


def _line(row: Row) -> str:
    kind = ' class="bad"' if row.lost or row.twice or row.wrong else ""
    cells = "".join(f"<td>{getattr(row, name)}</td>" for name in COLUMNS)
    return f"<tr{kind}><td>{html.escape(row.fault)}</td>{cells}</tr>"
