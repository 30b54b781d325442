"""Signatures of presigned URLs and of forms: wrong and expired ones are refused, as by S3.

LocalStack can do so for URLs, by keys that IAM knows, and by default only logs what it finds.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import localstack.config as config
from botocore.auth import HmacV1Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from localstack.constants import INTERNAL_AWS_SECRET_ACCESS_KEY
from localstack.services.s3 import presigned_url
from werkzeug.datastructures import ImmutableMultiDict, MultiDict

SETTING = "S3_SKIP_SIGNATURE_VALIDATION"


def verify_presigned(secret_of: Callable[[str], str | None]) -> None:
    """Refuse what was not signed by a key of `secret_of` or IAM, by the secret `test`, or by
    LocalStack itself."""
    if SETTING not in os.environ:
        config.S3_SKIP_SIGNATURE_VALIDATION = False
    of_iam = presigned_url.get_secret_access_key_from_access_key_id.__wrapped__  # uncached

    def secret(access_key: str, region: str) -> str | None:
        if access_key == config.INTERNAL_RESOURCE_ACCOUNT:  # the code of functions and layers
            return INTERNAL_AWS_SECRET_ACCESS_KEY
        return secret_of(access_key) or of_iam(access_key, region)

    presigned_url.get_secret_access_key_from_access_key_id = secret


def form_of(request: Any) -> ImmutableMultiDict[str, str]:
    """A form's fields, with those that came as files; only `file` is one."""
    fields = MultiDict(request.form)
    for name, sent in request.files.items(multi=True):
        if name != "file":
            fields.add(name, sent.stream.read().decode())
    return ImmutableMultiDict(fields)


def check_form(form: ImmutableMultiDict[str, str]) -> None:
    """Look whether a form's policy was signed by who it says.

    Raises
    ------
    SignatureDoesNotMatch
        When it was not.
    """
    policy = form.get("policy")
    signature = form.get("x-amz-signature") or form.get("signature")
    if config.S3_SKIP_SIGNATURE_VALIDATION or not (policy and signature):
        return  # a form without a policy is for public buckets
    scope = form.get("x-amz-credential", "").split("/")
    region = scope[2] if len(scope) == 5 else "us-east-1"
    key = presigned_url.get_credentials_from_parameters(form, region)
    credentials = Credentials(key.access_key_id, key.secret_access_key)
    if "x-amz-signature" in form:
        signed = AWSRequest()
        signed.context["timestamp"] = form.get("x-amz-date", "")
        right = SigV4Auth(credentials, "s3", region).signature(policy, signed)
    else:
        right = HmacV1Auth(credentials).sign_string(policy)
    if signature != right:
        raise presigned_url.create_signature_does_not_match_sig_v2(
            signature, policy, key.access_key_id
        )
