"""Whose account and which region: checked before anything is made or deleted."""

from __future__ import annotations

from dataclasses import dataclass

from botocore.exceptions import BotoCoreError, ClientError

from contract.switch import Switch
from scripts.cloud_errors import explain
from scripts.console import LabError


class BucketTaken(LabError):
    """The bucket's name belongs to somebody else."""


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
        sts = switch.client("sts")
        caller = sts.get_caller_identity()
    except (BotoCoreError, ClientError) as error:
        raise explain(error) from error
    return Account(caller["Account"], caller["Arn"], sts.meta.region_name, switch.endpoint_url)


def check_bucket(switch: Switch) -> bool:
    """Whether the bucket is there, and ours.

    Raises
    ------
    BucketTaken
        When it is somebody else's: bucket names are global.
    """
    try:
        switch.client("s3").head_bucket(Bucket=switch.bucket, ExpectedBucketOwner=switch.account)
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code in ("404", "NoSuchBucket"):
            return False
        if code in ("403", "301", "AccessDenied"):
            raise BucketTaken(
                f"the bucket name {switch.bucket} is taken: it belongs to another account, "
                "or we may not look at it",
                "another prefix gives another name: FACELAB_PREFIX=… in .env",
            ) from error
        raise
    return True
