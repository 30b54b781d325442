"""What a refused or failed call to the cloud means, in one line and with what to do."""

from __future__ import annotations

from botocore import exceptions as boto

from cloud.causes import Kind, cause_of_exception
from scripts.errors import LabError


class CloudError(LabError):
    """The cloud did not do what was asked."""


class NoCredentials(CloudError):
    """There are no credentials, or they can't be used."""


class WrongClock(CloudError):
    """This machine's time is not that of AWS, so that nothing it signs is accepted."""


class NoRegion(CloudError):
    """Nothing says which AWS region is meant, or it says the wrong one."""


class AccessDenied(CloudError):
    """The credentials are good but may not do this."""


class Unreachable(CloudError):
    """Nothing answers at the endpoint, or somebody else does."""


def says_not_there(error: boto.ClientError) -> bool:
    """Whether S3 refused because the object or its bucket is not there."""
    return error.response["Error"]["Code"] in ("NoSuchKey", "NoSuchBucket", "404")


_ERRORS: dict[Kind, type[CloudError]] = {
    Kind.CREDENTIALS: NoCredentials,
    Kind.CLOCK: WrongClock,
    Kind.REGION: NoRegion,
    Kind.DENIED: AccessDenied,
    Kind.NETWORK: Unreachable,
    Kind.STRANGE: Unreachable,
    Kind.TLS: Unreachable,
}
_RIGHTS = (
    "the one who runs this needs rights on CloudFormation, S3, Lambda, ECR, IAM roles, "
    "DynamoDB, SQS and CloudWatch Logs"
)


def explain(error: boto.BotoCoreError | boto.ClientError) -> CloudError:
    """The error in words that a person can act on."""
    cause = cause_of_exception(error)
    kind = _ERRORS.get(cause.kind, CloudError)
    text = " ".join(str(error).split())
    if isinstance(error, boto.ClientError):
        return _refusal(error, kind, cause.told("the cloud"), cause.hint)
    if cause.kind is Kind.NETWORK:
        is_aws = ".amazonaws.com" in text
        hint = "is there a network, and is the region called that?"
        return Unreachable(text, hint if is_aws else "`make up` starts the lab")
    if "{where}" in cause.what:
        return kind(f"{cause.told('the cloud')}: {text}", cause.hint)
    return kind(cause.what, cause.hint)


def _refusal(error: boto.ClientError, kind: type[CloudError], told: str, hint: str) -> CloudError:
    code = str(error.response.get("Error", {}).get("Code", ""))
    message = " ".join(str(error.response.get("Error", {}).get("Message", "")).split())
    if kind is AccessDenied:
        return AccessDenied(f"not allowed: {error.operation_name}: {message or code}", _RIGHTS)
    if kind is CloudError:
        return CloudError(
            f"the cloud answered {error.operation_name} with {code}: {message}",
            hint or "`make status` shows what is up; `make up` brings it up",
        )
    return kind(f"{told}: {error.operation_name}: {code} {message}".strip(), hint)
