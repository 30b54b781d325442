"""Filter patterns match what the CloudWatch Logs User Guide says they match."""

from __future__ import annotations

import json

import pytest

from localstack_image_functions.logs.errors import InvalidPattern
from localstack_image_functions.logs.patterns import compile_pattern

EVENT = json.dumps(
    {
        "eventType": "UpdateTrail",
        "sourceIPAddress": "111.111.111.111",
        "arrayKey": ["value", "another value"],
        "objectList": [{"name": "a", "id": 1}, {"name": "b", "id": 2}],
        "SomeObject": None,
        "ThisFlag": True,
        "latency": 80,
        "cluster.name": "c",
        "errorCode": "404",
        "text": 'say "hi"',
    }
)
LINE = '127.0.0.1 Prod frank [10/Oct/2000:13:25:15 -0700] "GET /index.html HTTP/1.0" 404 1534'


@pytest.mark.parametrize(
    ("pattern", "message", "matches"),
    [
        ("", "anything", True),
        ("ERROR", "[ERROR 400] BAD REQUEST", True),
        ("ERROR", "[error 400]", False),
        ("ERROR ARGUMENTS", "[ERROR 419] MISSING ARGUMENTS", True),
        ("ERROR ARGUMENTS", "[ERROR 401] UNAUTHORIZED", False),
        ("?ERROR ?ARGUMENTS", "MISSING ARGUMENTS", True),
        ("?ERROR ?ARGUMENTS", "nothing of these", False),
        ("ERROR -ARGUMENTS", "[ERROR 400] BAD REQUEST", True),
        ("ERROR -ARGUMENTS", "[ERROR 419] MISSING ARGUMENTS", False),
        ('-"Task timed out"', "Task timed out after 3 s", False),
        ('"INTERNAL SERVER ERROR"', "[ERROR 500] INTERNAL SERVER ERROR", True),
        ('"INTERNAL SERVER ERROR"', "INTERNAL ERROR SERVER", False),
        (r'"say \"hi\""', 'I say "hi"', True),
        ("%AUTHORI[A-Z]+%", "UNAUTHORIZED", True),
        ("%^[0-9]+$%", "12a", False),
    ],
)  # fmt: skip
def test_terms(pattern: str, message: str, matches: bool) -> None:
    assert compile_pattern(pattern).matches(message) is matches


@pytest.mark.parametrize(
    ("pattern", "matches"),
    [
        ('{ $.eventType = "UpdateTrail" }', True),
        ("{ $.eventType = UpdateTrail }", True),
        ('{ $.eventType != "UpdateTrail" }', False),
        ("{ $.eventType = Update* }", True),
        ("{ $.eventType = *Trails }", False),
        ("{ $.sourceIPAddress != 123.123.* }", True),
        ("{ $.sourceIPAddress = 111.111.* }", True),
        ('{ $.arrayKey[0] = "value" }', True),
        ('{ $.arrayKey[1] = "value" }', False),
        ("{ $.objectList[1].id = 2 }", True),
        ("{ $.objectList[*].id = 2 }", True),
        ("{ $.objectList[*].id = 3 }", False),
        ("{ $.SomeObject IS NULL }", True),
        ("{ $.ThisFlag IS TRUE }", True),
        ("{ $.ThisFlag IS FALSE }", False),
        ("{ $.SomeOtherObject NOT EXISTS }", True),
        ("{ $.SomeObject NOT EXISTS }", False),
        ("{ $.latency > 79.5 }", True),
        ("{ $.latency >= 8e1 && $.latency < 80 }", False),
        ("{ ($.latency = 1 || $.latency = 80) && $.ThisFlag IS TRUE }", True),
        ("{ $.errorCode = 404 }", True),
        ("{ $['cluster.name'] = c }", True),
        ("{ $.eventType = %^Update[A-Z]% }", True),
        (r'{ $.text = "say \"hi\"" }', True),
    ],
)  # fmt: skip
def test_json(pattern: str, matches: bool) -> None:
    assert compile_pattern(pattern).matches(EVENT) is matches
    assert not compile_pattern(pattern).matches("no JSON")


@pytest.mark.parametrize(
    ("pattern", "matches"),
    [
        ("[ip, user_id, username, timestamp, request, status_code, bytes]", True),
        ("[ip, user_id, username, timestamp, request =*.html*, status_code = 4*, bytes]", True),
        ("[ip, user, username, timestamp, request, status_code = 5*, bytes]", False),
        ("[ip, user, username, timestamp, request, status_code = 4* || status_code = 5*, bytes]",
         True),
        ("[ip, user, username, timestamp, request, status_code != 404 && status_code = 4*, bytes]",
         False),
        ("[..., size > 1500]", True),
        ("[ip = 127.*, ..., size]", True),
        ("[ip, ..., size < 1500]", False),
        ("[ip, user]", False),
        ("[ip=%^127%, ...]", True),
    ],
)  # fmt: skip
def test_fields_between_spaces(pattern: str, matches: bool) -> None:
    assert compile_pattern(pattern).matches(LINE) is matches


def test_fields_are_taken_out_by_name() -> None:
    found = compile_pattern("[ip, ..., status, size]").extract(LINE)
    assert found == {"ip": "127.0.0.1", "status": "404", "size": "1534"}


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("user@host", r"Invalid character\(s\) in term 'user@host'"),
        ("{ $.a = 1", "closing brace"),
        ("[a, b", "closing bracket"),
        ("{ a = 1 }", r"begins with \$"),
        ("{ $.a }", "can't be read"),
        ("{ $.a = 1 && }", "can't be read"),
        ("{ $.a > text }", "compares numbers"),
        ("%[%", "regular expression"),
        ("[..., a, ...]", "more than once"),
        ("x" * 1025, "longer than 1024"),
    ],
)
def test_what_cannot_be_read_is_refused(pattern: str, why: str) -> None:
    with pytest.raises(InvalidPattern, match=why):
        compile_pattern(pattern)
