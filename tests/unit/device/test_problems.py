"""One line says what is wrong with the cloud, and no more of an answer than helps."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from device.problems import Kind, problem_of, strange_answer


def answer(code: str, message: str, status: int = 400) -> ClientError:
    return ClientError(
        {
            "Error": {"Code": code, "Message": message},
            "ResponseMetadata": {"RequestId": "r", "HTTPStatusCode": status},
        },
        "PutObject",
    )


@pytest.mark.parametrize(
    ("code", "kind", "is_told"),
    [
        ("AccessDenied", Kind.DENIED, True),
        ("InvalidAccessKeyId", Kind.CREDENTIALS, True),
        ("EntityTooLarge", Kind.REFUSED, True),
        ("SlowDown", Kind.BUSY, True),
        ("SomethingNew", Kind.OTHER, True),
        ("NoSuchBucket", Kind.MISSING, False),
        ("RequestTimeTooSkewed", Kind.CLOCK, False),
    ],
)
def test_what_the_service_said_is_told_where_it_says_more_than_the_kind(code, kind, is_told):
    problem = problem_of(answer(code, "the reason\n  in two lines"), "S3")
    assert problem.kind is kind
    assert problem.args[0].startswith("S3 ")
    assert problem.args[0].endswith(f": {code} the reason in two lines") == is_told


def test_a_long_answer_is_cut_and_an_empty_one_leaves_no_colon():
    told = problem_of(answer("AccessDenied", "x" * 1000), "S3").args[0]
    assert told.endswith("x" * 287)
    assert len(told.rpartition(": ")[2]) == 300
    assert problem_of(answer("", "", 403), "S3").args[0] == "S3 does not allow this"


def test_without_an_answer_there_is_nothing_more_to_tell():
    error = EndpointConnectionError(endpoint_url="http://x")
    problem = problem_of(error, "S3")
    assert problem.kind is Kind.NETWORK
    assert problem.args[0] == "S3 can't be reached"
    error.response = "no answer of botocore's"
    assert problem_of(error, "S3").args[0] == "S3 can't be reached"


def test_an_answer_of_somebody_else_is_strange():
    assert strange_answer("SQS").kind is Kind.STRANGE
    assert str(strange_answer("SQS")).startswith("SQS is answered by something else")
