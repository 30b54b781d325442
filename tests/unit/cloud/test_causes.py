"""Each row of the table: a code and a message, what they mean and what the hint must say."""

import ssl

import pytest
from botocore import exceptions as boto

from cloud.causes import ROWS, Kind, cause_of, cause_of_answer, cause_of_exception

EXPIRED = "Signature expired: 20261125T010000Z is now earlier than 20261125T012000Z"


@pytest.mark.parametrize(
    ("code", "message", "kind", "hint"),
    [
        ("SignatureDoesNotMatch", EXPIRED, Kind.CLOCK, "timedatectl"),
        ("InvalidSignatureException", "Signature not yet current: …", Kind.CLOCK, "timedatectl"),
        ("AuthFailure", "Request has expired", Kind.CLOCK, "timedatectl"),
        ("RequestTimeTooSkewed", "The difference … is too large.", Kind.CLOCK, "timedatectl"),
        ("SignatureDoesNotMatch", "Check your key.", Kind.CREDENTIALS, "secret key"),
        ("ExpiredToken", "The provided token has expired.", Kind.CREDENTIALS, "aws sso login"),
        ("InvalidClientTokenId", "", Kind.CREDENTIALS, "aws configure"),
        ("AuthFailure", "not able to validate", Kind.CREDENTIALS, "aws configure"),
        ("OptInRequired", "", Kind.REGION, "enable the region"),
        ("AccessDenied", "… with an explicit deny in a …", Kind.DENIED, "policy"),
        ("AccessDenied", "User is not authorized to perform: s3:PutObject", Kind.DENIED, "right"),
        (
            "AuthorizationHeaderMalformed",
            "the region 'us-east-1' is wrong; expecting 'eu-central-1'",
            Kind.REGION,
            "AWS_REGION",
        ),
        ("PermanentRedirect", "must be addressed using the specified endpoint", Kind.REGION, ""),
        ("NoSuchBucket", "", Kind.MISSING, "make up"),
        ("AWS.SimpleQueueService.NonExistentQueue", "", Kind.MISSING, "make up"),
        ("SlowDown", "", Kind.BUSY, "again"),
        ("BadDigest", "", Kind.STRANGE, "proxy"),
        ("EntityTooLarge", "", Kind.REFUSED, ""),
        ("LimitExceeded", "too many", Kind.OTHER, "make status"),
    ],
)
def test_a_code_and_its_message_are_read_together(code, message, kind, hint):
    cause = cause_of(code, message)
    assert cause.kind is kind
    assert hint in cause.hint


def test_no_row_of_the_table_is_shadowed_by_an_earlier_one():
    for number, row in enumerate(ROWS):
        for code in row.codes:
            message = row.words.split("|")[0].replace("\\", "")
            first = next(n for n, one in enumerate(ROWS) if one.matches(code, message))
            assert ROWS[first].cause == row.cause or first >= number or row.words == "", code


@pytest.mark.parametrize("status", [302, 400, 403, 404, 407, 418, 503])
def test_an_answer_without_a_request_id_is_never_s3_s_refusal(status):
    answer = {
        "Error": {"Code": str(status), "Message": "Sign in"},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    assert cause_of_answer(answer).kind is Kind.STRANGE
    forged = {"Error": {"Code": "EntityTooLarge", "Message": ""}, "ResponseMetadata": {}}
    assert cause_of_answer(forged).kind is Kind.STRANGE


def test_an_emulator_that_is_going_down_is_no_sign_in_page():
    """What LocalStack answers between SIGTERM and its end; the camera spoke of a foreign proxy."""
    answer = {
        "Error": {"Code": "503", "Message": "Service Unavailable"},
        "ResponseMetadata": {"HTTPStatusCode": 503, "HTTPHeaders": {"x-localstack": "true"}},
    }
    assert cause_of_answer(answer).kind is Kind.BUSY


def test_a_status_tells_what_an_answer_without_a_body_does_not():
    metadata = {"HTTPStatusCode": 403, "RequestId": "r"}
    answer = {"Error": {"Code": "403", "Message": "Forbidden"}, "ResponseMetadata": metadata}
    assert cause_of_answer(answer).kind is Kind.DENIED


def test_a_proxy_s_own_authority_is_not_a_missing_network():
    cause = ssl.SSLCertVerificationError("certificate verify failed: self-signed certificate")
    error = boto.SSLError(endpoint_url="https://s3", error=cause)
    assert cause_of_exception(error).kind is Kind.TLS
    assert "AWS_CA_BUNDLE" in cause_of_exception(error).hint


def test_what_could_not_be_read_is_somebody_else_s_answer():
    assert cause_of_exception(ValueError("not XML")).kind is Kind.STRANGE


def answer(code: str, status: int, request_id: str = "r") -> dict:
    return {
        "Error": {"Code": code, "Message": ""},
        "ResponseMetadata": {"RequestId": request_id, "HTTPStatusCode": status},
    }


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, Kind.CREDENTIALS), (403, Kind.DENIED), (404, Kind.MISSING), (429, Kind.BUSY),
        (408, Kind.BUSY), (500, Kind.BUSY), (503, Kind.BUSY), (499, Kind.OTHER), (400, Kind.OTHER),
        (407, Kind.OTHER), (409, Kind.OTHER),
    ],
)  # fmt: skip
def test_of_a_code_that_nobody_knows_the_status_tells(status, kind):
    assert cause_of_answer(answer("Unheard", status)).kind is kind
    assert cause_of_answer(answer("Unheard", status, request_id="")).kind is Kind.STRANGE


def test_a_code_that_is_known_counts_whatever_the_status_says():
    assert cause_of_answer(answer("SlowDown", 403)).kind is Kind.BUSY
    assert cause_of_answer({}).kind is Kind.STRANGE


def test_where_it_happened_stands_in_the_line():
    assert cause_of("SlowDown", "").told("S3") == "S3 is busy"
    assert "{where}" not in cause_of("Unheard", "").told("S3")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (OSError("no route"), Kind.NETWORK),
        (boto.EndpointConnectionError(endpoint_url="x"), Kind.NETWORK),
        (boto.ConnectTimeoutError(endpoint_url="x"), Kind.NETWORK),
        (boto.NoRegionError(), Kind.REGION),
        (boto.InvalidRegionError(region_name="x"), Kind.REGION),
        (boto.NoCredentialsError(), Kind.CREDENTIALS),
        (boto.ProfileNotFound(profile="x"), Kind.CREDENTIALS),
        (boto.PartialCredentialsError(provider="x", cred_var="y"), Kind.CREDENTIALS),
        (boto.UnauthorizedSSOTokenError(), Kind.CREDENTIALS),
        (OSError("certificate is not yet valid"), Kind.CLOCK),
        (OSError("CERTIFICATE_VERIFY_FAILED"), Kind.TLS),
        (OSError("certificate verify failed"), Kind.TLS),
        (RuntimeError(), Kind.STRANGE),
    ],
    ids=lambda one: type(one).__name__,
)
def test_an_error_before_any_answer_has_its_cause(error, kind):
    assert cause_of_exception(error).kind is kind
