"""AWS::S3::Bucket: the settings that LocalStack's provider passes over, and updates of all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from localstack_image_functions.stacks.resource import truth

Rule = Mapping[str, Any]


@dataclass(frozen=True)
class _Setting:
    """How a property of the template becomes one of the bucket's, and how it goes again."""

    put: Callable[[Any, str, Any], Any]
    remove: Callable[[Any, str], Any]
    by_provider: bool = False
    """LocalStack's provider does it when the bucket is made."""


def complete_bucket(request: Any) -> None:
    """Apply what the provider passes over when it makes a bucket."""
    wanted, s3 = request.desired_state, request.aws_client_factory.s3
    for name, setting in SETTINGS.items():
        if not setting.by_provider and wanted.get(name):
            setting.put(s3, wanted["BucketName"], wanted[name])


def update_bucket(request: Any) -> None:
    """Change every setting that the template changes, and take away what it does not name now."""
    wanted, before = request.desired_state, request.previous_state or {}
    s3, bucket = request.aws_client_factory.s3, wanted["BucketName"]
    for name, setting in SETTINGS.items():
        if wanted.get(name) == before.get(name):
            continue
        if wanted.get(name):
            setting.put(s3, bucket, wanted[name])
        else:
            setting.remove(s3, bucket)


def lifecycle_rule(rule: Rule) -> dict[str, Any]:
    """A rule as S3's API has it, of one as CloudFormation writes it."""
    expiration = _some(
        Days=_number(rule.get("ExpirationInDays")),
        Date=rule.get("ExpirationDate"),
        ExpiredObjectDeleteMarker=truth(rule.get("ExpiredObjectDeleteMarker")),
    )
    noncurrent = rule.get("NoncurrentVersionExpiration") or {}
    transitions = [*rule.get("Transitions", ()), *_one(rule.get("Transition"))]
    noncurrent_transitions = [
        *rule.get("NoncurrentVersionTransitions", ()),
        *_one(rule.get("NoncurrentVersionTransition")),
    ]
    upload = rule.get("AbortIncompleteMultipartUpload") or {}
    return {
        **_some(ID=rule.get("Id")),
        "Status": rule["Status"],
        "Filter": _filter(rule),
        **_some(
            Expiration=expiration,
            NoncurrentVersionExpiration=_some(
                NoncurrentDays=_number(
                    noncurrent.get("NoncurrentDays", rule.get("NoncurrentVersionExpirationInDays"))
                ),
                NewerNoncurrentVersions=_number(noncurrent.get("NewerNoncurrentVersions")),
            ),
            AbortIncompleteMultipartUpload=_some(
                DaysAfterInitiation=_number(upload.get("DaysAfterInitiation"))
            ),
            Transitions=[
                _some(
                    Days=_number(one.get("TransitionInDays")),
                    Date=one.get("TransitionDate"),
                    StorageClass=one["StorageClass"],
                )
                for one in transitions
            ],
            NoncurrentVersionTransitions=[
                _some(
                    NoncurrentDays=_number(one.get("TransitionInDays")),
                    NewerNoncurrentVersions=_number(one.get("NewerNoncurrentVersions")),
                    StorageClass=one["StorageClass"],
                )
                for one in noncurrent_transitions
            ],
        ),
    }


def _filter(rule: Rule) -> dict[str, Any]:
    tags = [{"Key": one["Key"], "Value": one["Value"]} for one in rule.get("TagFilters", ())]
    found = _some(
        Prefix=rule.get("Prefix"),
        ObjectSizeGreaterThan=_number(rule.get("ObjectSizeGreaterThan")),
        ObjectSizeLessThan=_number(rule.get("ObjectSizeLessThan")),
    )
    if len(found) + len(tags) > 1:
        return {"And": {**found, **_some(Tags=tags)}}
    if tags:
        return {"Tag": tags[0]}
    return found or {"Prefix": ""}


def _some(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value not in (None, {}, [])}


def _one(value: Any) -> list[Any]:
    return [value] if value else []


def _number(value: Any) -> int | None:
    return None if value is None else int(value)


def _provider() -> Any:
    from localstack.services.s3.resource_providers.aws_s3_bucket import S3BucketProvider

    return S3BucketProvider()


def _put_lifecycle(s3: Any, bucket: str, value: Any) -> None:
    rules = [lifecycle_rule(rule) for rule in value["Rules"]]
    s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": rules})


def _put_encryption(s3: Any, bucket: str, value: Any) -> None:
    rules = [
        _some(
            ApplyServerSideEncryptionByDefault=rule.get("ServerSideEncryptionByDefault"),
            BucketKeyEnabled=truth(rule.get("BucketKeyEnabled")),
        )
        for rule in value["ServerSideEncryptionConfiguration"]
    ]
    s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": rules})


def _put_public_access(s3: Any, bucket: str, value: Any) -> None:
    wanted = {name: bool(truth(one)) for name, one in value.items()}
    s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=wanted)


def _put_logging(s3: Any, bucket: str, value: Any) -> None:
    enabled = {
        "TargetBucket": value.get("DestinationBucketName", bucket),
        "TargetPrefix": value.get("LogFilePrefix", ""),
    }
    s3.put_bucket_logging(Bucket=bucket, BucketLoggingStatus={"LoggingEnabled": enabled})


def _put_notification(s3: Any, bucket: str, value: Any) -> None:
    wanted = {"BucketName": bucket, "NotificationConfiguration": value}
    s3.put_bucket_notification_configuration(
        **_provider()._get_s3_bucket_notification_config(wanted)
    )


SETTINGS = {
    "LifecycleConfiguration": _Setting(
        _put_lifecycle, lambda s3, bucket: s3.delete_bucket_lifecycle(Bucket=bucket)
    ),
    "BucketEncryption": _Setting(
        _put_encryption, lambda s3, bucket: s3.delete_bucket_encryption(Bucket=bucket)
    ),
    "PublicAccessBlockConfiguration": _Setting(
        _put_public_access, lambda s3, bucket: s3.delete_public_access_block(Bucket=bucket)
    ),
    "OwnershipControls": _Setting(
        lambda s3, bucket, value: s3.put_bucket_ownership_controls(
            Bucket=bucket, OwnershipControls=value
        ),
        lambda s3, bucket: s3.delete_bucket_ownership_controls(Bucket=bucket),
    ),
    "LoggingConfiguration": _Setting(
        _put_logging,
        lambda s3, bucket: s3.put_bucket_logging(Bucket=bucket, BucketLoggingStatus={}),
    ),
    "AccelerateConfiguration": _Setting(
        lambda s3, bucket, value: s3.put_bucket_accelerate_configuration(
            Bucket=bucket, AccelerateConfiguration={"Status": value["AccelerationStatus"]}
        ),
        lambda s3, bucket: s3.put_bucket_accelerate_configuration(
            Bucket=bucket, AccelerateConfiguration={"Status": "Suspended"}
        ),
    ),
    "NotificationConfiguration": _Setting(
        _put_notification,
        lambda s3, bucket: s3.put_bucket_notification_configuration(
            Bucket=bucket, NotificationConfiguration={}
        ),
        by_provider=True,
    ),
    "VersioningConfiguration": _Setting(
        lambda s3, bucket, value: s3.put_bucket_versioning(
            Bucket=bucket, VersioningConfiguration={"Status": value.get("Status", "Suspended")}
        ),
        lambda s3, bucket: s3.put_bucket_versioning(
            Bucket=bucket, VersioningConfiguration={"Status": "Suspended"}
        ),
        by_provider=True,
    ),
    "CorsConfiguration": _Setting(
        lambda s3, bucket, value: s3.put_bucket_cors(
            Bucket=bucket, CORSConfiguration=_provider()._transform_cfn_cors(value)
        ),
        lambda s3, bucket: s3.delete_bucket_cors(Bucket=bucket),
        by_provider=True,
    ),
    "WebsiteConfiguration": _Setting(
        lambda s3, bucket, value: s3.put_bucket_website(
            Bucket=bucket, WebsiteConfiguration=_provider()._transform_website_configuration(value)
        ),
        lambda s3, bucket: s3.delete_bucket_website(Bucket=bucket),
        by_provider=True,
    ),
    "ObjectLockConfiguration": _Setting(
        lambda s3, bucket, value: s3.put_object_lock_configuration(
            Bucket=bucket, ObjectLockConfiguration=value
        ),
        lambda s3, bucket: s3.put_object_lock_configuration(
            Bucket=bucket, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled"}
        ),
        by_provider=True,
    ),
    "Tags": _Setting(
        lambda s3, bucket, value: s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": value}),
        lambda s3, bucket: s3.delete_bucket_tagging(Bucket=bucket),
        by_provider=True,
    ),
}

COMPLETED = frozenset(name for name, setting in SETTINGS.items() if not setting.by_provider)
