"""AWS::ECR::Repository: a repository, where LocalStack's provider makes none and says it did."""

from __future__ import annotations

import json
from typing import Any

from localstack_image_functions.stacks.resource import truth

SETTINGS = (
    "ImageTagMutability",
    "ImageScanningConfiguration",
    "LifecyclePolicy",
    "RepositoryPolicyText",
    "Tags",
)


def create_repository(request: Any) -> None:
    """Make it. `RepositoryUri` is the one that images are pushed to."""
    from localstack.services.cloudformation.provider_utils import generate_default_name

    wanted, ecr = request.desired_state, request.aws_client_factory.ecr
    wanted["RepositoryName"] = (
        wanted.get("RepositoryName")
        or generate_default_name(request.stack_name, request.logical_resource_id).lower()
    )
    given = {}
    if encryption := wanted.get("EncryptionConfiguration"):
        names = {"EncryptionType": "encryptionType", "KmsKey": "kmsKey"}
        given["encryptionConfiguration"] = {names[one]: encryption[one] for one in encryption}
    made = ecr.create_repository(repositoryName=wanted["RepositoryName"], **given)["repository"]
    wanted["Arn"], wanted["RepositoryUri"] = made["repositoryArn"], made["repositoryUri"]
    try:
        for setting in SETTINGS:
            if wanted.get(setting):
                _put(ecr, wanted, setting)
    except Exception:
        ecr.delete_repository(repositoryName=wanted["RepositoryName"])
        raise


def update_repository(request: Any) -> None:
    """Change what the template changes, and take away what it does not name any more."""
    wanted, before = request.desired_state, request.previous_state or {}
    ecr = request.aws_client_factory.ecr
    for setting in SETTINGS:
        if wanted.get(setting) == before.get(setting):
            continue
        if setting == "Tags":
            gone = {tag["Key"] for tag in before.get("Tags") or ()}
            gone -= {tag["Key"] for tag in wanted.get("Tags") or ()}
            if gone:
                ecr.untag_resource(resourceArn=wanted["Arn"], tagKeys=sorted(gone))
        if wanted.get(setting):
            _put(ecr, wanted, setting)
        else:
            _remove(ecr, wanted["RepositoryName"], setting)


def delete_repository(request: Any) -> None:
    """Delete it, as AWS does: one with images only where the template says EmptyOnDelete."""
    ecr, before = request.aws_client_factory.ecr, request.previous_state or request.desired_state
    everything = bool(truth(before.get("EmptyOnDelete")))
    try:
        ecr.delete_repository(repositoryName=before["RepositoryName"], force=everything)
    except ecr.exceptions.RepositoryNotFoundException:
        return  # somebody else has deleted it


def _put(ecr: Any, wanted: dict[str, Any], setting: str) -> None:
    name, value = wanted["RepositoryName"], wanted[setting]
    if setting == "ImageTagMutability":
        ecr.put_image_tag_mutability(repositoryName=name, imageTagMutability=value)
    elif setting == "ImageScanningConfiguration":
        on = bool(truth(value.get("ScanOnPush")))
        ecr.put_image_scanning_configuration(
            repositoryName=name, imageScanningConfiguration={"scanOnPush": on}
        )
    elif setting == "LifecyclePolicy":
        if text := value.get("LifecyclePolicyText"):
            ecr.put_lifecycle_policy(repositoryName=name, lifecyclePolicyText=text)
    elif setting == "RepositoryPolicyText":
        text = value if isinstance(value, str) else json.dumps(value)
        ecr.set_repository_policy(repositoryName=name, policyText=text)
    else:
        ecr.tag_resource(resourceArn=wanted["Arn"], tags=value)


def _remove(ecr: Any, name: str, setting: str) -> None:
    if setting == "ImageTagMutability":
        ecr.put_image_tag_mutability(repositoryName=name, imageTagMutability="MUTABLE")
    elif setting == "ImageScanningConfiguration":
        ecr.put_image_scanning_configuration(
            repositoryName=name, imageScanningConfiguration={"scanOnPush": False}
        )
    elif setting == "LifecyclePolicy":
        ecr.delete_lifecycle_policy(repositoryName=name)
    elif setting == "RepositoryPolicyText":
        ecr.delete_repository_policy(repositoryName=name)
