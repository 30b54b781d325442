"""Queries of Logs Insights: right rows, or a refusal; never Complete with wrong ones."""

from __future__ import annotations

import json

import pytest

from localstack_image_functions.logs.errors import InvalidInsightsQuery
from localstack_image_functions.logs.insights import event_row, read_query

REQUEST = "8f507cfc-xmpl-4697-b07a-ac58fc914c95".replace("xmpl", "4321")
MESSAGES = [
    f"START RequestId: {REQUEST} Version: $LATEST",
    json.dumps({"level": "info", "user": {"id": 7}, "took": 12.5, "path": "/a"}),
    json.dumps({"level": "error", "user": {"id": 8}, "took": 100, "path": "/b"}),
    json.dumps({"level": "error", "user": {"id": 7}, "took": 50, "path": "/a"}),
    "user=ann action=login ok",
    f"REPORT RequestId: {REQUEST}\tDuration: 123.45 ms\tBilled Duration: 124 ms"
    "\tMemory Size: 512 MB\tMax Memory Used: 90 MB\tInit Duration: 300.00 ms",
]
START_MS = 1_700_000_000_000


def run(query: str) -> list[dict[str, str]]:
    rows = [
        event_row(message, START_MS + 60_000 * number, START_MS, "0:group", "stream")
        for number, message in enumerate(MESSAGES)
    ]
    return read_query(query).run(rows).rows


def test_the_newest_come_first_and_limits_hold() -> None:
    rows = run("fields @timestamp, @message | sort @timestamp desc | limit 2")
    assert [row["@message"] for row in rows] == [MESSAGES[5], MESSAGES[4]]
    assert rows[0]["@timestamp"] == "2023-11-14 22:18:20.000"
    assert run("fields @message | sort @timestamp asc | limit 1") == [{"@message": MESSAGES[0]}]
    assert run("limit 1")[0]["@message"] == MESSAGES[5]


@pytest.mark.parametrize(
    ("condition", "number"),
    [
        ("@message like /(?i)ERROR/", 2),
        ("@message like 'login'", 1),
        ('@message like "nothing"', 0),
        ("@message not like /level/", 3),
        ('level = "error" and took > 60', 1),
        ("level = 'info' or took >= 100", 2),
        ("not (level = 'error')", 4),
        ("user.id in [7, 9]", 2),
        ("ispresent(level) and strlen(path) = 2", 3),
        ("took / 2 = 25", 1),
        ('@type = "REPORT"', 1),
        (f'@requestId = "{REQUEST}"', 2),
    ],
)
def test_filters(condition: str, number: int) -> None:
    assert len(run(f"fields @message | filter {condition}")) == number


def test_statistics_by_group() -> None:
    rows = run("stats count(*) as n, avg(took) as mean, max(took) by level | sort n desc")
    assert rows[:2] == [
        {"n": "3"},
        {"level": "error", "n": "2", "mean": "75", "max(took)": "100"},
    ]
    assert run("filter @type = 'REPORT' | stats avg(@duration), pct(@duration, 95) as p95") == [
        {"avg(@duration)": "123.45", "p95": "123.45"}
    ]
    assert run('filter level = "none" | stats count(*) as n') == [{"n": "0"}]
    assert run("filter ispresent(took) | stats count_distinct(user.id) as people") == [
        {"people": "2"}
    ]


def test_bins_of_time() -> None:
    rows = run("stats count(*) as n by bin(5m) as slot | sort slot asc")
    assert [row["n"] for row in rows] == ["2", "4"]
    assert rows[0]["slot"] == "2023-11-14 22:10:00.000"


def test_parts_of_messages_become_fields() -> None:
    parse = 'parse @message "user=* action=* *" as who, what, rest'
    assert run(f"{parse} | filter ispresent(who) | display who, what, rest") == [
        {"who": "ann", "what": "login", "rest": "ok"}
    ]
    assert run("parse @message /action=(?<what>\\w+)/ | filter what = 'login' | display what") == [
        {"what": "login"}
    ]


def test_doubles_go_and_a_pipe_in_quotes_is_no_command() -> None:
    assert len(run("filter ispresent(level) | dedup level")) == 2
    assert run('filter @message like "a|b"') == []
    assert run('fields concat("a|", level) as mark | filter took = 50 | display mark') == [
        {"mark": "a|error"}
    ]


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("fields @message | pattern @message", "'pattern' is not known here"),
        ("stats stddev_pop(took)", "stddev_pop"),
        ("fields jsonParse(@message) as j", r"jsonParse\(\) is not calculated here"),
        ("filter level = ", "can't be read"),
        ("filter level == 'x'", "can't be read"),
        ("limit many", "1 to 10000"),
        ("parse @message '* *' as one", "2 parts and 1 names"),
        ("SOURCE logGroups() | fields @message", "'SOURCE' is not known"),
    ],
)
def test_what_is_not_calculated_is_refused(query: str, why: str) -> None:
    with pytest.raises(InvalidInsightsQuery, match=why):
        read_query(query)
