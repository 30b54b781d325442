"""Delete what a deployment made, and what an earlier one may have left behind."""

from __future__ import annotations

from botocore.exceptions import ClientError

from cloud.switch import Switch
from scripts.console import Progress
from scripts.errors import LabError
from scripts.provision.devices import device_ids, remove_device
from scripts.provision.stacks import StackFailed, Stacks

ROUNDS = 3


class BucketNotEmpty(LabError):
    """Something keeps writing into the bucket while it is to be deleted."""


def delete(switch: Switch, progress: Progress) -> None:
    """Delete every stack, the bucket, the repository and the log group of this lab.

    Works on whatever part of them exists; quiet when nothing does.

    Raises
    ------
    BucketNotEmpty, StackFailed
    """
    for device_id in device_ids(switch, progress):
        remove_device(switch, device_id, progress)
    delete_main_stack(switch, progress)
    delete_bucket(switch, progress)  # one that a stack has let go of
    delete_repository(switch, progress)
    delete_log_groups(switch, progress)


def delete_main_stack(switch: Switch, progress: Progress) -> None:
    """Empty the bucket and delete the stack, again while clips still come in."""
    stacks = Stacks(switch, progress)
    for attempt in range(1, ROUNDS + 1):
        empty_bucket(switch, progress)  # CloudFormation refuses to delete one with objects
        try:
            stacks.delete(switch.names.stack)
            return
        except StackFailed:
            if not bucket_has_objects(switch):
                raise
            if attempt == ROUNDS:
                raise BucketNotEmpty(
                    f"bucket {switch.bucket} fills faster than it can be emptied",
                    "stop the cameras that still upload to it, then try again",
                ) from None


def empty_bucket(switch: Switch, progress: Progress) -> None:
    """Delete every object, and every version of it should somebody have turned that on."""
    s3 = switch.client("s3")
    count = 0
    try:
        pages = s3.get_paginator("list_object_versions").paginate(Bucket=switch.bucket)
        for page in pages:
            rows = [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]
            objects = [{"Key": row["Key"], "VersionId": row["VersionId"]} for row in rows]
            if objects:
                answer = s3.delete_objects(
                    Bucket=switch.bucket, Delete={"Objects": objects, "Quiet": True}
                )
                for failed in answer.get("Errors", ()):
                    raise LabError(f"{failed['Key']} could not be deleted: {failed['Code']}")
                count += len(objects)
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchBucket":
            raise
    if count:
        progress(f"deleted {count} objects of bucket {switch.bucket}")


def bucket_has_objects(switch: Switch) -> bool:
    try:
        return bool(
            switch.client("s3").list_objects_v2(Bucket=switch.bucket, MaxKeys=1)["KeyCount"]
        )
    except ClientError as error:
        if error.response["Error"]["Code"] == "NoSuchBucket":
            return False
        raise


def delete_bucket(switch: Switch, progress: Progress) -> None:
    s3 = switch.client("s3")
    try:
        s3.delete_bucket(Bucket=switch.bucket)
        progress(f"deleted bucket {switch.bucket}")
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchBucket":
            raise


def delete_repository(switch: Switch, progress: Progress) -> None:
    ecr = switch.client("ecr")
    try:
        ecr.delete_repository(repositoryName=switch.names.repository, force=True)
        progress(f"deleted repository {switch.names.repository}")
    except ecr.exceptions.RepositoryNotFoundException:
        pass


def delete_log_groups(switch: Switch, progress: Progress) -> None:
    """Those that the stack has let go of: Lambda makes one anew for a late line."""
    logs = switch.client("logs")
    for name in (switch.names.log_group, switch.names.reconciler_log_group):
        try:
            logs.delete_log_group(logGroupName=name)
            progress(f"deleted log group {name}")
        except logs.exceptions.ResourceNotFoundException:
            pass
