"""Queries of Logs Insights: the commands that people use, and a refusal of the others."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from localstack_image_functions.logs.errors import InvalidInsightsQuery
from localstack_image_functions.logs.insights_expressions import (
    Expression,
    Reader,
    expression,
    name_of,
    regular,
    shown,
    text_of,
)
from localstack_image_functions.logs.insights_stats import Aggregation, aggregation, grouped

Row = dict[str, Any]
Step = Callable[[list[Row]], list[Row]]
MOST_ROWS = 10_000
DEFAULT_ROWS = 1000
TIMES = ("@timestamp", "@ingestionTime")
_REPORT = re.compile(
    r"(?P<key>(?:Billed |Init )?Duration|Memory Size|Max Memory Used): (?P<value>[\d.]+)"
)
_REPORT_FIELDS = {
    "Duration": "@duration",
    "Billed Duration": "@billedDuration",
    "Memory Size": "@memorySize",
    "Max Memory Used": "@maxMemoryUsed",
    "Init Duration": "@initDuration",
}
_REQUEST = re.compile(r"^(?:(START|END|REPORT) )?RequestId: ([0-9a-f-]{36})")
_UUID = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")


@dataclass(frozen=True)
class Found:
    """A query's results, as the API gives them, and how many events its filters let through."""

    rows: list[dict[str, str]]
    matched: int


@dataclass
class Query:
    """A query that was read. `shows` are the fields of its results, in this order."""

    steps: list[Step] = field(default_factory=list)
    filters: int = 0
    """How many steps there are up to the last filter."""
    shows: list[str] = field(default_factory=lambda: ["@timestamp", "@message"])
    named: bool = False
    limited: bool = False
    times: set[str] = field(default_factory=lambda: set(TIMES))

    def run(self, events: Iterable[Row], limit: int | None = None) -> Found:
        """The results: the newest event first, unless sorted; `limit` rows at most where the query
        itself sets no limit (None: as many as usual)."""
        rows = sorted(events, key=lambda row: row["@timestamp"], reverse=True)
        matched = len(rows)
        for number, step in enumerate(self.steps, 1):
            rows = step(rows)
            matched = len(rows) if number == self.filters else matched
        if not self.limited:
            rows = rows[: limit or DEFAULT_ROWS]
        return Found([self._shown(row) for row in rows], matched)

    def _shown(self, row: Row) -> dict[str, str]:
        names = [*self.shows, *(["@ptr"] if "@ptr" in row else [])]
        return {
            name: _time(row[name]) if name in self.times else shown(row[name])
            for name in names
            if row.get(name) is not None
        }


@functools.lru_cache(maxsize=64)
def read_query(text: str) -> Query:
    """Read a query.

    Raises
    ------
    InvalidInsightsQuery
        When it can't be read, or asks what is not calculated here.
    """
    query = Query()
    for command in _commands(text):
        word, _, rest = command.partition(" ")
        read = _COMMANDS.get(word.lower())
        if read is None:
            raise InvalidInsightsQuery(
                f"the command {word!r} is not known here; {', '.join(_COMMANDS)} are"
            )
        read(query, rest)
    return query


def event_row(message: str, timestamp: int, ingested: int, group: str, stream: str) -> Row:
    """An event with the fields that Insights discovers in it. `timestamp` and `ingested` are Unix
    ms."""
    row: Row = {
        "@timestamp": timestamp,
        "@ingestionTime": ingested,
        "@message": message,
        "@log": group,
        "@logStream": stream,
    }
    row |= _lambda_fields(message)
    start = message.find("{")
    if start >= 0:
        try:
            document = json.loads(message[start:])
        except (ValueError, RecursionError):
            document = None
        if isinstance(document, dict):
            row |= {name: value for name, value in _flat(document, "") if name not in row}
    return row


def _lambda_fields(message: str) -> Row:
    found: Row = {}
    if line := _REQUEST.match(message):
        found = {"@requestId": line[2]} | ({"@type": line[1]} if line[1] else {})
    elif request := _UUID.search(message):
        found = {"@requestId": request[0]}
    if found.get("@type") == "REPORT":
        for one in _REPORT.finditer(message):
            in_bytes = "Memory" in one["key"]
            value = float(one["value"]) * (1_000_000 if in_bytes else 1)
            found[_REPORT_FIELDS[one["key"]]] = value
    return found


def _flat(value: Any, prefix: str) -> Iterable[tuple[str, Any]]:
    if isinstance(value, dict | list):
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        for name, one in pairs:
            yield from _flat(one, f"{prefix}.{name}" if prefix else str(name))
    elif value is not None:
        yield prefix, value


def _commands(text: str) -> list[str]:
    """Split at `|`, but for those in quotes, in regular expressions and in comments."""
    text = re.sub(r"^\s*#.*$", "", text, flags=re.MULTILINE)
    parts = re.findall(
        r"""(?:"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|/(?:\\.|[^/\\|])+/|[^|])+""", text
    )
    return [" ".join(part.split("\n")).strip() for part in parts if part.strip()]


def _fields(query: Query, rest: str) -> None:
    reader, made, names = Reader(rest), [], []
    while True:
        before = reader.remaining()
        value = expression(reader)
        name = before.removesuffix(reader.remaining()).strip().replace(" ", "").strip("`")
        if reader.takes("as"):
            name = name_of(reader.take("name"))
        made.append((name, value))
        names.append(name)
        if not reader.takes(","):
            break
    _end(reader)
    query.steps.append(lambda rows: [{**row, **_made(row, made)} for row in rows])
    query.shows = [*(query.shows if query.named else []), *names]
    query.named = True


def _made(row: Row, made: list[tuple[str, Expression]]) -> Row:
    return {name: value for name, make in made if (value := make(row)) is not None}


def _display(query: Query, rest: str) -> None:
    reader = Reader(rest)
    query.shows, query.named = _names(reader), True
    _end(reader)


def _filter(query: Query, rest: str) -> None:
    reader = Reader(rest)
    condition = expression(reader)
    _end(reader)
    query.steps.append(lambda rows: [row for row in rows if condition(row)])
    query.filters = len(query.steps)


def _sorts_as(name: str, is_number: bool, row: Row) -> Any:
    return row[name] if is_number else str(row[name])


def _sort(query: Query, rest: str) -> None:
    reader, keys = Reader(rest), []
    while True:
        name = name_of(reader.take("name"))
        keys.append((name, reader.takes("asc", "desc") != "asc"))
        if not reader.takes(","):
            break
    _end(reader)

    def sort(rows: list[Row]) -> list[Row]:
        for name, falling in reversed(keys):
            known = [row for row in rows if row.get(name) is not None]
            numbers = all(isinstance(row[name], int | float) for row in known)
            known.sort(key=functools.partial(_sorts_as, name, numbers), reverse=falling)
            rows = known + [row for row in rows if row.get(name) is None]
        return rows

    query.steps.append(sort)


def _limit(query: Query, rest: str) -> None:
    if not rest.strip().isdecimal() or not 0 < int(rest) <= MOST_ROWS:
        raise InvalidInsightsQuery(f"limit {rest}: 1 to {MOST_ROWS}")
    number = int(rest)
    query.steps.append(lambda rows: rows[:number])
    query.limited = True


def _dedup(query: Query, rest: str) -> None:
    reader = Reader(rest)
    names = _names(reader)
    _end(reader)

    def dedup(rows: list[Row]) -> list[Row]:
        first: dict[str, Row] = {}
        for row in rows:
            first.setdefault(repr([row.get(name) for name in names]), row)
        return list(first.values())

    query.steps.append(dedup)


def _stats(query: Query, rest: str) -> None:
    reader = Reader(rest)
    wanted: list[Aggregation] = [aggregation(reader)]
    while reader.takes(","):
        wanted.append(aggregation(reader))
    groups: list[tuple[str, Expression]] = []
    if reader.takes("by"):
        while True:
            before = reader.remaining()
            value = expression(reader)
            name = before.removesuffix(reader.remaining()).strip().replace(" ", "").strip("`")
            in_time = name.lower().startswith("bin(")
            if reader.takes("as"):
                name = name_of(reader.take("name"))
            groups.append((name, value))
            if in_time:
                query.times.add(name)
            if not reader.takes(","):
                break
    _end(reader)
    query.steps.append(lambda rows: grouped(rows, wanted, groups))
    query.shows = [*(name for name, _ in groups), *(one.name for one in wanted)]
    query.named = True


def _parse(query: Query, rest: str) -> None:
    reader = Reader(rest)
    source: Expression = lambda row: row["@message"]  # noqa: E731
    if reader.next_is("name"):
        source = expression(reader)
    token = reader.take("string", "regex")
    names: list[str] = []
    if reader.takes("as"):
        names = _names(reader)
    _end(reader)
    if token.kind == "regex":
        pattern = regular(token)
        names = names or list(pattern.groupindex)
    else:
        parts = text_of(token).split("*")
        pattern = re.compile("(.*?)".join(re.escape(part) for part in parts), re.DOTALL)
        if parts[-1] == "":
            pattern = re.compile(pattern.pattern.removesuffix("(.*?)") + "(.*)", re.DOTALL)
    if len(names) != pattern.groups or not names:
        raise InvalidInsightsQuery(f"parse {rest}: {pattern.groups} parts and {len(names)} names")

    def parse(rows: list[Row]) -> list[Row]:
        found = ((row, pattern.search(str(source(row) or ""))) for row in rows)
        return [
            {**row, **dict(zip(names, match.groups(), strict=True))} if match else row
            for row, match in found
        ]

    query.steps.append(parse)
    query.shows = [*query.shows, *names]


def _names(reader: Reader) -> list[str]:
    names = [name_of(reader.take("name"))]
    while reader.takes(","):
        names.append(name_of(reader.take("name")))
    return names


def _end(reader: Reader) -> None:
    if not reader.done:
        raise reader.unreadable()


def _time(milliseconds: float) -> str:
    moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return moment.strftime("%Y-%m-%d %H:%M:%S.") + f"{int(milliseconds) % 1000:03d}"


_COMMANDS: dict[str, Callable[[Query, str], None]] = {
    "fields": _fields,
    "display": _display,
    "filter": _filter,
    "sort": _sort,
    "limit": _limit,
    "dedup": _dedup,
    "stats": _stats,
    "parse": _parse,
}
