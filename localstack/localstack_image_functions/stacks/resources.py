"""Which types of resources are completed, and by what."""

from __future__ import annotations

from localstack_image_functions.stacks import buckets, functions, others, repositories
from localstack_image_functions.stacks.resource import Resource

RESOURCES = {
    "AWS::S3::Bucket": Resource(
        complete=buckets.complete_bucket,
        completed=buckets.COMPLETED,
        update=buckets.update_bucket,
    ),
    "AWS::S3::BucketPolicy": Resource(update=others.update_bucket_policy),
    "AWS::Logs::LogGroup": Resource(
        create=others.create_log_group,
        update=others.update_log_group,
    ),
    "AWS::Lambda::Function": Resource(
        complete=functions.complete_function,
        completed=functions.COMPLETED,
        changed=functions.change_function,
    ),
    "AWS::Lambda::Permission": Resource(
        create=functions.create_permission,
        update=functions.update_permission,
    ),
    "AWS::Lambda::EventInvokeConfig": Resource(update=others.update_event_settings),
    "AWS::Events::Rule": Resource(update=others.update_rule),
    "AWS::DynamoDB::Table": Resource(update=others.update_table),
    "AWS::ECR::Repository": Resource(
        create=repositories.create_repository,
        update=repositories.update_repository,
        delete=repositories.delete_repository,
    ),
}
