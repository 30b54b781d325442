"""Why a call to the cloud failed, and what to do: one table for the device and the scripts.

A code alone says too little: an expired signature comes with the code of a wrong secret, and
what needs a right is asked for in the message. So rows match a code and a message.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Kind(StrEnum):
    """The causes that a person can tell apart and act on."""

    NETWORK = "network"  # nobody answers
    STRANGE = "strange"  # somebody else answers: a captive portal, a proxy
    TLS = "tls"  # whoever answers can't prove who it is
    CLOCK = "clock"
    CREDENTIALS = "credentials"
    DENIED = "denied"
    REGION = "region"
    MISSING = "missing"
    BUSY = "busy"
    REFUSED = "refused"  # this one request, by its content
    OTHER = "other"


@dataclass(frozen=True)
class Cause:
    """`what` happened, with `{where}` for who answered or should have; `hint`, what to do."""

    kind: Kind
    what: str
    hint: str

    def told(self, where: str) -> str:
        return self.what.replace("{where}", where)


@dataclass(frozen=True)
class ErrorPattern:
    """Matches an error with one of `codes` (none: any) whose message has `words`, a pattern."""

    codes: tuple[str, ...]
    words: str
    cause: Cause

    def matches(self, code: str, message: str) -> bool:
        return (not self.codes or code in self.codes) and bool(
            re.search(self.words, message, re.IGNORECASE)
        )


_CLOCK = Cause(
    Kind.CLOCK,
    "{where} refuses this machine's clock",
    "set the time; `timedatectl` shows it on Linux",
)
_RENEW = (
    "renew them: `aws sso login` or `aws configure`, or a profile in AWS_PROFILE (.env will do)"
)
_SIGNATURE = ("SignatureDoesNotMatch", "InvalidSignatureException", "IncompleteSignature")
_DENIED = ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "NotAuthorized")
_NAME_REGION = "AWS_REGION=eu-central-1 (say) in .env, or a region in the profile"

# The first row that matches counts.
ROWS = (
    ErrorPattern(
        (*_SIGNATURE, "AuthFailure", "RequestExpired", "AccessDenied"),
        r"signature expired|signature not yet current|request has expired|not yet valid",
        _CLOCK,
    ),
    ErrorPattern(("RequestTimeTooSkewed", "RequestExpired", "RequestInTheFuture"), "", _CLOCK),
    ErrorPattern(
        ("ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"),
        "",
        Cause(Kind.CREDENTIALS, "{where} says that our credentials have expired", _RENEW),
    ),
    ErrorPattern(
        _SIGNATURE,
        "",
        Cause(
            Kind.CREDENTIALS,
            "{where} does not accept our signature",
            "the secret key does not belong to the access key: copy both again",
        ),
    ),
    ErrorPattern(
        (
            *("InvalidAccessKeyId", "InvalidClientTokenId", "UnrecognizedClientException"),
            *("InvalidToken", "AuthFailure", "MissingAuthenticationToken"),
            *("MissingAuthenticationTokenException", "NotSignedUp"),
        ),
        "",
        Cause(Kind.CREDENTIALS, "{where} does not know our credentials", _RENEW),
    ),
    ErrorPattern(
        ("OptInRequired", "InvalidRegion", "RegionDisabledException"),
        "",
        Cause(
            Kind.REGION,
            "{where} is not available to this account",
            "enable the region in the account's settings, or choose another with AWS_REGION",
        ),
    ),
    ErrorPattern(
        _DENIED,
        r"explicit deny",
        Cause(
            Kind.DENIED,
            "{where} denies this explicitly",
            "a policy of the account or organization says so; whoever wrote it can tell why",
        ),
    ),
    ErrorPattern(
        (*_DENIED, "AllAccessDisabled", "AccountProblem"),
        "",
        Cause(
            Kind.DENIED,
            "{where} does not allow this",
            "grant the right that the message names; `make device-policy` prints a device's",
        ),
    ),
    ErrorPattern(
        (
            *("AuthorizationHeaderMalformed", "PermanentRedirect", "TemporaryRedirect"),
            *("IllegalLocationConstraintException", "301", "307"),
        ),
        r"region|endpoint|location|^$",
        Cause(Kind.REGION, "{where} is in another region", "AWS_REGION must be where the stack is"),
    ),
    ErrorPattern(
        (
            *(
                "NoSuchBucket",
                "NoSuchKey",
                "ResourceNotFoundException",
                "RepositoryNotFoundException",
            ),
            *("AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"),
        ),
        "",
        Cause(
            Kind.MISSING, "{where} does not exist", "is the lab up? `make up` (AWS: `make aws-up`)"
        ),
    ),
    ErrorPattern(
        (
            *("SlowDown", "Throttling", "ThrottlingException", "ThrottledException"),
            *("RequestThrottled", "RequestThrottledException", "RequestLimitExceeded"),
            *("TooManyRequestsException", "OverLimit", "ProvisionedThroughputExceededException"),
            *("RequestTimeout", "RequestTimeoutException", "InternalError", "InternalFailure"),
            *("InternalServerError", "ServiceUnavailable", "ServiceUnavailableException"),
            "OperationAborted",
        ),
        "",
        Cause(Kind.BUSY, "{where} is busy", "trying again helps"),
    ),
    ErrorPattern(
        ("BadDigest", "XAmzContentSHA256Mismatch", "IncompleteBody", "InvalidDigest"),
        "",
        Cause(Kind.STRANGE, "{where} got other bytes than we sent", "a proxy that changes them?"),
    ),
    ErrorPattern(
        (
            *("EntityTooLarge", "EntityTooSmall", "KeyTooLongError", "MetadataTooLarge"),
            *("InvalidURI", "RequestHeaderSectionTooLarge", "MaxMessageLengthExceeded"),
        ),
        "",
        Cause(Kind.REFUSED, "{where} refuses this request", ""),
    ),
)
STRANGE = Cause(
    Kind.STRANGE,
    "{where} is answered by something else",
    "a sign-in page or a proxy of this network? open any web page in a browser",
)


def cause_of(code: str, message: str, *, signed_by_aws: bool = True) -> Cause:
    """The cause of an error answer.

    `signed_by_aws` is whether the answer carried a request id, as each of AWS and of the
    emulator does. Without one, an unknown code is somebody else's, and nothing is refused.
    """
    for row in ROWS:
        if row.matches(code, message):
            if row.cause.kind is Kind.REFUSED and not signed_by_aws:
                return STRANGE
            return row.cause
    if not signed_by_aws or code.isdecimal():
        return STRANGE
    return Cause(Kind.OTHER, "{where} answered with an error", "`make status` shows what is up")


def cause_of_answer(response: dict[str, Any]) -> Cause:
    """The cause of botocore's `ClientError.response`."""
    error = response.get("Error", {})
    metadata = response.get("ResponseMetadata", {})
    code, message = str(error.get("Code", "")), str(error.get("Message", ""))
    # An emulator that is going down answers 503 with that header and nothing else.
    signed = bool(metadata.get("RequestId")) or "x-localstack" in metadata.get("HTTPHeaders", {})
    cause = cause_of(code, message, signed_by_aws=signed)
    if signed and cause.kind in (Kind.OTHER, Kind.STRANGE):
        return _by_status(int(metadata.get("HTTPStatusCode") or 0)) or cause
    return cause


def _by_status(status: int) -> Cause | None:
    """What the HTTP status says where the code says nothing (answers without a body)."""
    code = {401: "AuthFailure", 403: "AccessDenied", 404: "NoSuchBucket", 429: "SlowDown"}
    if status >= 500 or status == 408:
        return cause_of("ServiceUnavailable", "")
    return cause_of(code[status], "") if status in code else None


def cause_of_exception(error: Exception) -> Cause:
    """The cause of an error that botocore raised before there was an answer to read."""
    from botocore import exceptions as boto

    text = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, boto.ClientError):
        return cause_of_answer(error.response)
    if re.search(r"not yet valid|certificate has expired", text):
        # With the date of its last shutdown, a Pi finds every certificate not yet valid.
        return _CLOCK
    if "CERTIFICATE_VERIFY_FAILED" in text or "certificate verify failed" in text:
        return Cause(
            Kind.TLS,
            "{where} shows a certificate that this machine does not trust",
            "a proxy that reads along? its authority goes into AWS_CA_BUNDLE",
        )
    if isinstance(error, (boto.NoRegionError, boto.InvalidRegionError)):
        return Cause(Kind.REGION, "no AWS region is chosen", _NAME_REGION)
    if isinstance(error, boto.UnauthorizedSSOTokenError | boto.SSOError | boto.TokenRetrievalError):
        return Cause(Kind.CREDENTIALS, f"the sign-in has ended: {text}", "`aws sso login`")
    if isinstance(
        error,
        (
            boto.CredentialRetrievalError,
            boto.NoCredentialsError,
            boto.PartialCredentialsError,
            boto.ProfileNotFound,
        ),
    ):
        return Cause(Kind.CREDENTIALS, f"no usable AWS credentials: {text}", _RENEW)
    if isinstance(error, (boto.HTTPClientError, boto.ConnectionError, OSError)):
        return Cause(
            Kind.NETWORK, "{where} can't be reached", "is there a network, and is the lab up?"
        )
    # What is left could not read the answer: it is not the service's.
    return Cause(STRANGE.kind, f"{STRANGE.what} ({type(error).__name__})", STRANGE.hint)
