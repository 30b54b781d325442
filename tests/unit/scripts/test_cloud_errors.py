"""What a person reads when AWS refuses."""

import pytest
from botocore import exceptions as boto

from scripts.cloud_errors import (
    AccessDenied,
    CloudError,
    NoCredentials,
    NoRegion,
    Unreachable,
    WrongClock,
)
from scripts.cloud_errors import explain as explained

EXPIRED = "Signature expired: 20261125T010000Z is now earlier than 20261125T012000Z"
EARLY = "Signature not yet current: 20261125T120000Z is still later than 20261125T014500Z"


def refusal(code: str, message: str = "no") -> boto.ClientError:
    answer = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"RequestId": "r"}}
    return boto.ClientError(answer, "CreateStack")


@pytest.mark.parametrize(
    ("error", "kind", "said", "hint"),
    [
        (boto.NoCredentialsError(), NoCredentials, "no usable AWS credentials", "AWS_PROFILE"),
        (boto.ProfileNotFound(profile="me"), NoCredentials, "(me)", "AWS_PROFILE"),
        (boto.NoRegionError(), NoRegion, "no AWS region", "AWS_REGION"),
        (refusal("SignatureDoesNotMatch", EXPIRED), WrongClock, "clock", "timedatectl"),
        (refusal("InvalidSignatureException", EARLY), WrongClock, "clock", "timedatectl"),
        (refusal("SignatureDoesNotMatch"), NoCredentials, "signature", "secret key"),
        (refusal("OptInRequired"), NoRegion, "not available", "AWS_REGION"),
        (refusal("ExpiredToken"), NoCredentials, "ExpiredToken", "aws sso login"),
        (
            refusal("InvalidClientTokenId"),
            NoCredentials,
            "does not know",
            "AWS_PROFILE",
        ),
        (
            refusal("AccessDenied", "User x is not authorized to perform: iam:CreateRole"),
            AccessDenied,
            "not allowed: CreateStack: User x is not authorized to perform: iam:CreateRole",
            "rights",
        ),
        (
            boto.EndpointConnectionError(endpoint_url="https://sts.eu-west-1.amazonaws.com/"),
            Unreachable,
            "sts.eu-west-1",
            "network",
        ),
        (
            boto.EndpointConnectionError(endpoint_url="http://127.0.0.1:4566/"),
            Unreachable,
            "127.0.0.1:4566",
            "make up",
        ),
        (refusal("LimitExceeded", "too many"), CloudError, "LimitExceeded: too many", "status"),
    ],
)
def test_error_is_one_line_with_a_hint(error, kind, said, hint):
    told = explained(error)
    assert type(told) is kind
    assert said in str(told)
    assert hint in told.hint
    assert "\n" not in str(told) + told.hint
