"""What is stored here and has no effect: said once in the log, at the first request for it.

A test holds `docs/fidelity.md` to this table.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

LOG = logging.getLogger(__name__)

Request = Mapping[str, Any]


@dataclass(frozen=True)
class NoEffect:
    """Operations of a service (`*` at the end: all that begin so) that only store something."""

    service: str
    operations: tuple[str, ...]
    says: str
    when: Callable[[Request], bool] = lambda _: True

    def is_asked_for(self, operation: str, request: Request) -> bool:
        named = any(
            operation == one or (one.endswith("*") and operation.startswith(one[:-1]))
            for one in self.operations
        )
        return named and self.when(request)


_FUNCTION = ("CreateFunction", "UpdateFunctionConfiguration")

NO_EFFECT = (
    NoEffect(
        "iam",
        ("Attach*", "Put*", "CreatePolicy*", "CreateUser", "CreateGroup"),
        "IAM policies are not enforced: calls that they deny pass",
    ),
    NoEffect(
        "s3",
        ("PutBucketPolicy", "PutBucketAcl", "PutObjectAcl", "PutPublicAccessBlock"),
        "policies, ACLs and public access blocks of buckets are not enforced",
    ),
    NoEffect(
        "s3",
        ("PutBucketReplication", "PutBucketLogging", "PutBucketAccelerateConfiguration"),
        "buckets are not replicated, their access is not logged, nothing is accelerated",
    ),
    NoEffect(
        "s3",
        ("PutBucketOwnershipControls", "PutBucketRequestPayment"),
        "whose objects are and who pays is stored: everybody may, and nobody pays",
    ),
    NoEffect(
        "s3",
        (
            "PutBucketInventoryConfiguration",
            "PutBucketAnalyticsConfiguration",
            "PutBucketMetricsConfiguration",
            "PutBucketIntelligentTieringConfiguration",
        ),
        "no inventory, analysis or metric of requests is made, and no object changes its tier",
    ),
    NoEffect(
        "s3",
        ("PutBucketEncryption",),
        "objects are said to be encrypted, and are not",
    ),
    NoEffect(
        "s3",
        ("PutBucketLifecycleConfiguration",),
        "objects expire, but move to no other storage class",
        lambda request: any(
            rule.get("Transitions") or rule.get("NoncurrentVersionTransitions")
            for rule in (request.get("LifecycleConfiguration") or {}).get("Rules") or ()
        ),
    ),
    NoEffect("sqs", ("AddPermission",), "permissions of queues are not enforced: anybody may send"),
    NoEffect(
        "sqs",
        ("CreateQueue", "SetQueueAttributes"),
        "policies and encryption of queues are stored, not enforced and not done",
        lambda request: bool({"Policy", "KmsMasterKeyId"} & set(request.get("Attributes") or ())),
    ),
    NoEffect(
        "lambda",
        _FUNCTION,
        "functions join no VPC",
        lambda request: bool((request.get("VpcConfig") or {}).get("SubnetIds")),
    ),
    NoEffect(
        "lambda",
        _FUNCTION,
        "invocations are not traced: there is no X-Ray",
        lambda request: (request.get("TracingConfig") or {}).get("Mode") == "Active",
    ),
    NoEffect(
        "lambda",
        _FUNCTION,
        "there is no SnapStart: every environment starts by its init phase",
        lambda request: (request.get("SnapStart") or {}).get("ApplyOn") == "PublishedVersions",
    ),
    NoEffect(
        "lambda",
        _FUNCTION,
        "no file system is mounted (EFS)",
        lambda request: bool(request.get("FileSystemConfigs")),
    ),
    NoEffect(
        "lambda",
        _FUNCTION,
        "environment variables are not encrypted with a key of KMS",
        lambda request: bool(request.get("KMSKeyArn")),
    ),
    NoEffect(
        "lambda",
        ("CreateFunctionUrlConfig", "UpdateFunctionUrlConfig"),
        "results of function URLs are not streamed: they arrive whole",
        lambda request: request.get("InvokeMode") == "RESPONSE_STREAM",
    ),
    NoEffect(
        "lambda",
        ("CreateFunctionUrlConfig",),
        "a function URL with AuthType NONE needs no permission here; on AWS it answers 403 "
        "until add-permission allows lambda:InvokeFunctionUrl to everybody",
        lambda request: request.get("AuthType") == "NONE",
    ),
    NoEffect(
        "lambda",
        ("AddPermission",),
        "permissions of functions decide whether S3 may be told of them, and nothing else",
    ),
    NoEffect(
        "lambda",
        ("CreateCodeSigningConfig", "UpdateCodeSigningConfig", "PutFunctionCodeSigningConfig"),
        "signatures of code are not checked",
    ),
    NoEffect(
        "ecr",
        ("PutLifecyclePolicy",),
        "policies of life cycle are stored and expire no image",
    ),
    NoEffect(
        "ecr",
        ("CreateRepository", "PutImageScanningConfiguration"),
        "images are not scanned, on push or later: nothing here knows vulnerabilities",
        lambda request: bool((request.get("imageScanningConfiguration") or {}).get("scanOnPush")),
    ),
    NoEffect(
        "ecr",
        ("PutRegistryScanningConfiguration",),
        "rules for scanning are stored, and no image is scanned",
    ),
    NoEffect(
        "ecr",
        ("PutReplicationConfiguration", "SetRepositoryPolicy", "PutRegistryPolicy"),
        "images are not replicated, policies of repositories are not enforced",
    ),
    NoEffect(
        "dynamodb",
        ("UpdateContinuousBackups", "CreateGlobalTable"),
        "tables have no backups of their own and one region: `make snapshot` is the backup",
    ),
    NoEffect(
        "dynamodb",
        ("PutResourcePolicy",),
        "policies of tables are not enforced",
    ),
    NoEffect(
        "dynamodb",
        ("CreateTable", "UpdateTable"),
        "provisioned capacity limits nothing: no read and no write is throttled",
        lambda request: bool(request.get("ProvisionedThroughput")),
    ),
    NoEffect(
        "logs",
        ("CreateDelivery", "PutDelivery*"),
        "logs of services are delivered nowhere",
    ),
    NoEffect(
        "logs",
        ("AssociateKmsKey", "PutDestination*", "PutResourcePolicy"),
        "logs are not encrypted, and policies of logs are not enforced",
    ),
)


def tell_what_has_no_effect() -> None:
    """Say each of these once, after a request for it has succeeded."""
    from localstack_image_functions.operations import stand_around

    by_service: dict[str, list[NoEffect]] = {}
    for one in NO_EFFECT:
        by_service.setdefault(one.service, []).append(one)

    def say_afterwards(context: Any, go_on: Callable[[], Any]) -> Any:
        response = go_on()
        open_points = by_service.get(context.service.service_name)
        if open_points:
            operation, request = context.operation.name, context.service_request or {}
            for one in [*open_points]:
                if one.is_asked_for(operation, request):
                    open_points.remove(one)
                    LOG.warning("no effect: %s %s: %s", one.service, operation, one.says)
        return response

    stand_around(say_afterwards)
