"""What can be wrong between the device and the cloud, told in one line each."""

from __future__ import annotations

from enum import StrEnum

from device.errors import DeviceError


class Kind(StrEnum):
    """The causes that a person can tell apart and act on."""

    NETWORK = "network"
    CLOCK = "clock"
    CREDENTIALS = "credentials"
    MISSING = "missing"
    BUSY = "busy"
    REFUSED = "refused"


class Problem(DeviceError):
    """One failed call to the cloud.

    All kinds but `refused` concern every clip alike, and pass: waiting is right. `refused`
    concerns the one request that was made.
    """

    def __init__(self, kind: Kind, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.kind = kind


CLOCK_CODES = {"RequestTimeTooSkewed", "RequestExpired", "RequestInTheFuture"}
CREDENTIAL_CODES = {
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "InvalidToken",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
    "AccessDenied",
    "AccessDeniedException",
    "AllAccessDisabled",
    "403",
}
MISSING_CODES = {
    "NoSuchBucket",
    "AWS.SimpleQueueService.NonExistentQueue",
    "QueueDoesNotExist",
    "404",
}
BUSY_CODES = {
    "SlowDown",
    "Throttling",
    "ThrottlingException",
    "RequestThrottled",
    "RequestLimitExceeded",
    "TooManyRequestsException",
    "OverLimit",
    "RequestTimeout",
    "InternalError",
    "InternalFailure",
    "ServiceUnavailable",
}
TLS_CLOCK_WORDS = ("not yet valid", "certificate has expired")


def problem_of(error: Exception, where: str) -> Problem:
    """Sort a botocore error (or any other) into a kind; `where` is what was talked to."""
    from botocore import exceptions as boto

    if isinstance(error, boto.ClientError):
        return _refusal(error.response, where)
    text = _one_line(error)
    if any(words in text for words in TLS_CLOCK_WORDS):
        # With the date of its last shutdown, a Pi finds every certificate not yet valid.
        return _clock(where)
    if isinstance(error, (boto.HTTPClientError, boto.ConnectionError, OSError)):
        return Problem(Kind.NETWORK, f"{where} can't be reached", "waiting for the network")
    if isinstance(
        error,
        (
            boto.NoCredentialsError,
            boto.PartialCredentialsError,
            boto.CredentialRetrievalError,
            boto.TokenRetrievalError,
            boto.SSOError,
            boto.ProfileNotFound,
            boto.NoRegionError,
        ),
    ):
        return Problem(Kind.CREDENTIALS, text, "renew the credentials; no restart is needed")
    return Problem(Kind.REFUSED, text)


def _refusal(response: dict, where: str) -> Problem:
    code = str(response.get("Error", {}).get("Code", ""))
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code in CLOCK_CODES:
        return _clock(where)
    if code in CREDENTIAL_CODES or status in (401, 403):
        return Problem(
            Kind.CREDENTIALS,
            f"{where} refuses our credentials: {code}",
            "renew them or grant access; no restart is needed",
        )
    if code in MISSING_CODES or status == 404:
        return Problem(Kind.MISSING, f"{where} does not exist", "is the lab up? `make up`")
    if code in BUSY_CODES or status in (408, 429) or status >= 500:
        return Problem(Kind.BUSY, f"{where} is busy: {code or status}", "trying again")
    message = response.get("Error", {}).get("Message", "")
    return Problem(
        Kind.REFUSED, f"{where} refuses this request: {code or status} {message}".strip()
    )


def _clock(where: str) -> Problem:
    return Problem(
        Kind.CLOCK,
        f"{where} refuses this device's clock",
        "waiting until the time is set; `timedatectl` shows it",
    )


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
