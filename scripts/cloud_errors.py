"""What a refused or failed call to the cloud means, in one line and with what to do."""

from __future__ import annotations

from botocore import exceptions as boto

from scripts.errors import LabError

STALE_CODES = {
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "InvalidToken",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
}
DENIED_CODES = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "403"}
CREDENTIALS_HINT = (
    "name a profile in AWS_PROFILE (a line of .env will do), or run `aws configure` "
    "or `aws sso login`"
)


class CloudError(LabError):
    """The cloud did not do what was asked."""


class NoCredentials(CloudError):
    """There are no credentials, or they can't be used."""


class NoRegion(CloudError):
    """Nothing says which AWS region is meant."""


class AccessDenied(CloudError):
    """The credentials are good but may not do this."""


class Unreachable(CloudError):
    """Nothing answers at the endpoint."""


def explain(error: boto.BotoCoreError | boto.ClientError) -> CloudError:
    """The error in words that a person can act on."""
    if isinstance(error, boto.ClientError):
        return _refusal(error)
    text = " ".join(str(error).split())
    if isinstance(error, boto.NoRegionError):
        return NoRegion(
            "no AWS region is chosen", "AWS_REGION=eu-central-1 in .env, or one in the profile"
        )
    if isinstance(
        error,
        (
            boto.CredentialRetrievalError,
            boto.NoCredentialsError,
            boto.PartialCredentialsError,
            boto.ProfileNotFound,
            boto.SSOError,
            boto.TokenRetrievalError,
        ),
    ):
        return NoCredentials(f"no usable AWS credentials: {text}", CREDENTIALS_HINT)
    if isinstance(error, (boto.ConnectionError, boto.HTTPClientError)):
        hint = (
            "is there a network, and is the region called that?"
            if ".amazonaws.com" in text
            else "`make up` starts the lab"
        )
        return Unreachable(text, hint)
    return CloudError(f"the cloud: {text}", "`make status` shows what is up")


def _refusal(error: boto.ClientError) -> CloudError:
    code = str(error.response.get("Error", {}).get("Code", ""))
    message = error.response.get("Error", {}).get("Message", "")
    if code in STALE_CODES:
        return NoCredentials(f"AWS does not accept the credentials: {code}", CREDENTIALS_HINT)
    if code in DENIED_CODES:
        return AccessDenied(
            f"not allowed: {error.operation_name}: {message or code}",
            "the one who runs this needs rights on CloudFormation, S3, Lambda, ECR, IAM roles, "
            "DynamoDB, SQS and CloudWatch Logs",
        )
    return CloudError(
        f"the cloud answered {error.operation_name} with {code}: {message}",
        "`make status` shows what is up; `make up` brings it up",
    )
