"""Whose account and which region: checked before anything is made or deleted."""

from __future__ import annotations

from dataclasses import dataclass

from botocore.exceptions import BotoCoreError, ClientError

from cloud.switch import Switch
from scripts.cloud_errors import explain
from scripts.console import Progress
from scripts.errors import LabError
from scripts.provision.stacks import Stacks


class BucketTaken(LabError):
    """A bucket of the name that the lab wants exists, and is not this lab's."""


@dataclass(frozen=True)
class Account:
    """Who runs this, and where."""

    account: str
    arn: str
    region: str
    endpoint: str | None

    @property
    def where(self) -> str:
        place = self.endpoint or "AWS"
        return f"{place}, region {self.region}, account {self.account}, as {self.arn}"


def check_account(switch: Switch) -> Account:
    """Ask AWS who we are.

    Raises
    ------
    CloudError
        Without credentials or region, with expired credentials, or without a network.
    """
    try:
        region = switch.region_name
        caller = switch.client("sts").get_caller_identity()
    except (BotoCoreError, ClientError) as error:
        raise explain(error) from error
    return Account(caller["Account"], caller["Arn"], region, switch.endpoint_url)


def check_bucket_name(switch: Switch, progress: Progress) -> None:
    """Whether the stack can have its bucket, or has it.

    Raises
    ------
    BucketTaken
        When it is somebody else's (bucket names are global), or ours without a stack: what
        is in there is not for `up` to delete.
    """
    try:
        switch.client("s3").head_bucket(Bucket=switch.bucket, ExpectedBucketOwner=switch.account)
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code in ("404", "NoSuchBucket"):
            return
        if code in ("403", "301", "AccessDenied"):
            raise BucketTaken(
                f"the bucket name {switch.bucket} is taken: it belongs to another account, "
                "or we may not look at it",
                "another prefix gives another name: FACELAB_PREFIX=… in .env",
            ) from error
        raise
    if Stacks(switch, progress).status(switch.names.stack) is None:
        raise BucketTaken(
            f"bucket {switch.bucket} is there but stack {switch.names.stack} is not",
            "it is left from an earlier lab: `make aws-down` deletes it (ARGS=--keep-data "
            "copies it first); or take another name: FACELAB_PREFIX=… in .env",
        )
