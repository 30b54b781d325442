"""Expressions of Logs Insights: what `fields`, `filter` and `stats` calculate for one event."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from localstack_image_functions.logs.conditions import number_of
from localstack_image_functions.logs.errors import InvalidInsightsQuery

Event = Mapping[str, Any]
Expression = Callable[[Event], Any]
SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_TOKEN = re.compile(
    r"""\s*(?:
      (?P<string>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')
    | (?P<regex>/(?:\\.|[^/\\])+/i?)(?=\s|\)|$)
    | (?P<period>\d+(?:ms|s|m|h|d|w)\b)
    | (?P<number>\d+(?:\.\d+)?)
    | (?P<name>`[^`]+`|[@A-Za-z_][\w@]*(?:\.[\w@]+)*)
    | (?P<sign>=~|!=|<=|>=|[-+*/%^=<>(),\[\]])
    )""",
    re.VERBOSE,
)


@dataclass(frozen=True)
class Word:
    """`kind` is a group of the expression above."""

    kind: str
    text: str

    def says(self, *words: str) -> bool:
        return self.kind in ("name", "sign") and self.text.lower() in words


class Reader:
    """One command's words, read from the left.

    Raises
    ------
    InvalidInsightsQuery
        When a part of the text begins no token.
    """

    def __init__(self, text: str) -> None:
        self._text = text.strip()
        self._tokens: list[Word] = []
        place, end = 0, len(text.rstrip())
        while place < end:
            found = _TOKEN.match(text, place)
            if found is None or found.lastgroup is None:
                raise self.unreadable(text[place:].strip())
            self._tokens.append(Word(found.lastgroup, found[found.lastgroup]))
            place = found.end()

    @property
    def done(self) -> bool:
        return not self._tokens

    def takes(self, *words: str) -> str | None:
        """Take the next token if it is one of these words or signs."""
        if self._tokens and self._tokens[0].says(*words):
            return self._tokens.pop(0).text.lower()
        return None

    def take(self, *kinds: str) -> Word:
        """The next token, which must be of one of these kinds.

        Raises
        ------
        InvalidInsightsQuery
            When there is none, or one of another kind.
        """
        if not self._tokens or self._tokens[0].kind not in kinds:
            raise self.unreadable()
        return self._tokens.pop(0)

    def need(self, word: str) -> None:
        """Leave out this word, which must be the next.

        Raises
        ------
        InvalidInsightsQuery
            When it is not.
        """
        if not self.takes(word):
            raise self.unreadable()

    def next_is(self, kind: str) -> bool:
        return bool(self._tokens) and self._tokens[0].kind == kind

    def remaining(self) -> str:
        return " ".join(token.text for token in self._tokens)

    def unreadable(self, rest: str | None = None) -> InvalidInsightsQuery:
        rest = self.remaining() if rest is None else rest
        return InvalidInsightsQuery(f"{self._text!r} can't be read from {rest or 'its end'!r} on")


def name_of(token: Word) -> str:
    """A field's name, without the quotes that it may have."""
    return token.text.strip("`")


def expression(reader: Reader) -> Expression:
    """Read an expression, with `or` and `and` in it."""
    left = _both(reader)
    while reader.takes("or"):
        left = _either_of(left, _both(reader))
    return left


def _either_of(left: Expression, right: Expression) -> Expression:
    return lambda event: bool(left(event)) or bool(right(event))


def _both(reader: Reader) -> Expression:
    left = _not(reader)
    while reader.takes("and"):
        left = _both_of(left, _not(reader))
    return left


def _both_of(left: Expression, right: Expression) -> Expression:
    return lambda event: bool(left(event)) and bool(right(event))


def _not(reader: Reader) -> Expression:
    if reader.takes("not"):
        inner = _not(reader)
        return lambda event: not inner(event)
    return _comparison(reader)


def _comparison(reader: Reader) -> Expression:
    left = _sum(reader)
    negated = reader.takes("not") is not None
    found: Expression | None = None
    if reader.takes("like", "=~"):
        found = _like(left, reader)
    elif reader.takes("in"):
        reader.need("[")
        choices = [_sum(reader)]
        while reader.takes(","):
            choices.append(_sum(reader))
        reader.need("]")
        found = lambda event: any(_same(left(event), one(event)) for one in choices)  # noqa: E731
    if negated:
        if found is None:
            raise reader.unreadable()
        wanted = found
        return lambda event: not wanted(event)
    if found is not None:
        return found
    sign = reader.takes("=", "!=", "<", "<=", ">", ">=")
    return _compared(sign, left, _sum(reader)) if sign else left


def _like(left: Expression, reader: Reader) -> Expression:
    token = reader.take("string", "regex")
    pattern = regular(token) if token.kind == "regex" else re.compile(re.escape(text_of(token)))
    return lambda event: (value := left(event)) is not None and bool(pattern.search(str(value)))


def regular(token: Word) -> re.Pattern[str]:
    """The expression between two `/`, with its flag.

    Raises
    ------
    InvalidInsightsQuery
        When it is none that Python can read.
    """
    body, _, flags = token.text[1:].rpartition("/")
    try:
        # Groups are named (?<like> this) there.
        return re.compile(
            re.sub(r"\(\?<(?=[A-Za-z_])", "(?P<", body), re.IGNORECASE if flags else re.NOFLAG
        )
    except re.error as error:
        raise InvalidInsightsQuery(f"{token.text}: {error}") from error


def text_of(token: Word) -> str:
    """What stands in quotes."""
    return re.sub(r"\\(.)", r"\1", token.text[1:-1])


def _compared(sign: str, left: Expression, right: Expression) -> Expression:
    def compare(event: Event) -> bool:
        one, other = left(event), right(event)
        if one is None or other is None:
            return sign == "!=" and one is not other
        if sign in ("=", "!="):
            return _same(one, other) == (sign == "=")
        numbers = number_of(one), number_of(other)
        if numbers[0] is None or numbers[1] is None:
            order = (str(one) > str(other)) - (str(one) < str(other))
        else:
            order = (numbers[0] > numbers[1]) - (numbers[0] < numbers[1])
        return {"<": order < 0, "<=": order <= 0, ">": order > 0, ">=": order >= 0}[sign]

    return compare


def _same(one: Any, other: Any) -> bool:
    numbers = number_of(one), number_of(other)
    return numbers[0] == numbers[1] if None not in numbers else str(one) == str(other)


def _sum(reader: Reader) -> Expression:
    left = _product(reader)
    while sign := reader.takes("+", "-"):
        left = _calculated(sign, left, _product(reader))
    return left


def _product(reader: Reader) -> Expression:
    left = _power(reader)
    while sign := reader.takes("*", "/", "%"):
        left = _calculated(sign, left, _power(reader))
    return left


def _power(reader: Reader) -> Expression:
    left = _value(reader)
    return _calculated("^", left, _power(reader)) if reader.takes("^") else left


def _calculated(sign: str, left: Expression, right: Expression) -> Expression:
    def calculate(event: Event) -> float | None:
        one, other = number_of(left(event)), number_of(right(event))
        if one is None or other is None or (sign in "/%" and other == 0):
            return None
        if sign == "^":
            return float(one**other)
        return {
            "+": one + other,
            "-": one - other,
            "*": one * other,
            "/": one / (other or 1),
            "%": math.fmod(one, other or 1),
        }[sign]

    return calculate


def _value(reader: Reader) -> Expression:
    if reader.takes("("):
        inner = expression(reader)
        reader.need(")")
        return inner
    if reader.takes("-"):
        inner = _value(reader)
        return lambda event: None if (one := number_of(inner(event))) is None else -one
    token = reader.take("string", "number", "name", "period")
    if token.kind == "string":
        text = text_of(token)
        return lambda _: text
    if token.kind == "number":
        number = float(token.text)
        return lambda _: number
    if token.kind == "period":
        raise reader.unreadable(token.text)
    if reader.takes("("):
        return _function(token.text, reader)
    name = name_of(token)
    return lambda event: event.get(name)


def _function(name: str, reader: Reader) -> Expression:
    if name.lower() == "bin":
        length = seconds_of(reader.take("period")) * 1000
        reader.need(")")
        return lambda event: event["@timestamp"] // length * length
    arguments: list[Expression] = []
    while not reader.takes(")"):
        arguments.append(expression(reader))
        if not reader.takes(","):
            reader.need(")")
            break
    if name.lower() == "ispresent" and len(arguments) == 1:
        return lambda event: arguments[0](event) is not None
    function = FUNCTIONS.get(name.lower())
    if function is None:
        raise InvalidInsightsQuery(
            f"{name}() is not calculated here; {', '.join(sorted(FUNCTIONS))}, bin, ispresent are"
        )

    def call(event: Event) -> Any:
        values = [one(event) for one in arguments]
        try:
            return function(*values)
        except (TypeError, ValueError, AttributeError):
            return None

    return call


def seconds_of(token: Word) -> float:
    """A period like `5m`, s."""
    found = re.fullmatch(r"(\d+)(\D+)", token.text)
    assert found is not None  # noqa: S101  a token of this kind has this form
    return int(found[1]) * SECONDS[found[2]]


def _of_number(function: Callable[[float], Any]) -> Callable[[Any], Any]:
    return lambda value: None if (number := number_of(value)) is None else function(number)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "abs": _of_number(abs),
    "ceil": _of_number(math.ceil),
    "floor": _of_number(math.floor),
    "sqrt": _of_number(math.sqrt),
    "log": _of_number(math.log),
    "greatest": lambda *values: max(float(value) for value in values),
    "least": lambda *values: min(float(value) for value in values),
    "strlen": lambda value: len(str(value)),
    "tomillis": number_of,  # what a time is here
    "toupper": lambda value: value.upper(),
    "tolower": lambda value: value.lower(),
    "upper": lambda value: value.upper(),
    "lower": lambda value: value.lower(),
    "trim": lambda value: value.strip(),
    "ltrim": lambda value: value.lstrip(),
    "rtrim": lambda value: value.rstrip(),
    "concat": lambda *values: "".join(shown(value) for value in values),
    "substr": lambda value, start, *length: value[int(start) :][
        : int(length[0]) if length else None
    ],
    "replace": lambda value, old, new: value.replace(old, new),
    "strcontains": lambda value, part: int(part in value),
    "isempty": lambda value: value is None or value == "",
    "isblank": lambda value: value is None or not str(value).strip(),
    "coalesce": lambda *values: next((value for value in values if value is not None), None),
}


def shown(value: Any) -> str:
    """A value as results have it: whole numbers without a fraction."""
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return f"{value:.4f}".rstrip("0") if isinstance(value, float) else str(value)
