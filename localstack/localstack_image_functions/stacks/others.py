"""What LocalStack's providers leave out of log groups, rules, tables and settings of events."""

from __future__ import annotations

import json
from typing import Any

from localstack_image_functions.stacks.resource import NotUpdated

TABLE_SETTINGS = {
    "BillingMode",
    "ProvisionedThroughput",
    "DeletionProtectionEnabled",
    "StreamSpecification",
}
TABLE_IN_PLACE = TABLE_SETTINGS | {"TimeToLiveSpecification", "Tags"}


def create_log_group(request: Any) -> None:
    """AWS::Logs::LogGroup, with what LocalStack leaves out when it makes one."""
    from localstack.services.cloudformation.provider_utils import generate_default_name

    wanted, logs = request.desired_state, request.aws_client_factory.logs
    name = wanted["LogGroupName"] = wanted.get("LogGroupName") or generate_default_name(
        request.stack_name, request.logical_resource_id
    )
    given = {"LogGroupClass": "logGroupClass", "KmsKeyId": "kmsKeyId"}
    settings = {parameter: wanted[one] for one, parameter in given.items() if wanted.get(one)}
    tags = {tag["Key"]: tag["Value"] for tag in wanted.get("Tags") or ()}
    logs.create_log_group(logGroupName=name, **settings, **({"tags": tags} if tags else {}))
    try:
        _set_retention(request, before=None)
        found = logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"]
        wanted["Arn"] = next(one["arn"] for one in found if one["logGroupName"] == name)
    except Exception:
        logs.delete_log_group(logGroupName=name)
        raise


def update_log_group(request: Any) -> None:
    """AWS::Logs::LogGroup."""
    before = request.previous_state or {}
    _set_retention(request, before.get("RetentionInDays"))
    _tag_log_group(request, before.get("Tags") or [])


def update_event_settings(request: Any) -> None:
    """AWS::Lambda::EventInvokeConfig."""
    names = (
        "FunctionName",
        "Qualifier",
        "MaximumRetryAttempts",
        "MaximumEventAgeInSeconds",
        "DestinationConfig",
    )
    wanted = request.desired_state
    # Put, not update: what the template does not name any more goes.
    request.aws_client_factory.lambda_.put_function_event_invoke_config(
        **{name: wanted[name] for name in names if name in wanted}
    )


def update_bucket_policy(request: Any) -> None:
    """AWS::S3::BucketPolicy."""
    wanted = request.desired_state
    policy = json.dumps(wanted["PolicyDocument"])
    request.aws_client_factory.s3.put_bucket_policy(Bucket=wanted["Bucket"], Policy=policy)


def update_rule(request: Any) -> None:
    """AWS::Events::Rule."""
    wanted, before = request.desired_state, request.previous_state or {}
    events = request.aws_client_factory.events
    name = wanted["Arn"].rpartition("/")[2]
    bus = {"EventBusName": wanted["EventBusName"]} if wanted.get("EventBusName") else {}
    settings = {
        one: wanted[one]
        for one in ("ScheduleExpression", "State", "Description", "RoleArn")
        if wanted.get(one)
    }
    if pattern := wanted.get("EventPattern"):
        settings["EventPattern"] = pattern if isinstance(pattern, str) else json.dumps(pattern)
    events.put_rule(Name=name, **settings, **bus)
    targets = wanted.get("Targets") or []
    kept = {target["Id"] for target in targets}
    gone = [one["Id"] for one in before.get("Targets") or () if one["Id"] not in kept]
    if gone:
        events.remove_targets(Rule=name, Ids=gone, **bus)
    if targets:
        events.put_targets(Rule=name, Targets=targets, **bus)


def update_table(request: Any) -> None:
    """AWS::DynamoDB::Table, in what AWS changes without making another table.

    Raises
    ------
    NotUpdated
        When anything else is to change.
    """
    wanted, before = request.desired_state, request.previous_state or {}
    table, dynamodb = wanted["TableName"], request.aws_client_factory.dynamodb
    changed = {name for name in {*wanted, *before} if wanted.get(name) != before.get(name)}
    others = changed & set(wanted) - TABLE_IN_PLACE - {"TableName"}
    if others:
        raise NotUpdated(f"LocalStack can't change {', '.join(sorted(others))} of table {table}")
    settings = {name: wanted[name] for name in changed & TABLE_SETTINGS if name in wanted}
    if "StreamSpecification" in settings:
        settings["StreamSpecification"] = {"StreamEnabled": True, **settings["StreamSpecification"]}
    if settings:
        dynamodb.update_table(TableName=table, **settings)
    if "TimeToLiveSpecification" in changed:
        off = {**(before.get("TimeToLiveSpecification") or {}), "Enabled": False}
        dynamodb.update_time_to_live(
            TableName=table, TimeToLiveSpecification=wanted.get("TimeToLiveSpecification") or off
        )
    if "Tags" in changed:
        arn = wanted["Arn"]
        gone = [tag["Key"] for tag in before.get("Tags") or ()]
        if gone:
            dynamodb.untag_resource(ResourceArn=arn, TagKeys=gone)
        if wanted.get("Tags"):
            dynamodb.tag_resource(ResourceArn=arn, Tags=wanted["Tags"])


def _set_retention(request: Any, before: Any) -> None:
    wanted, logs = request.desired_state, request.aws_client_factory.logs
    days, group = wanted.get("RetentionInDays"), wanted["LogGroupName"]
    if days:
        logs.put_retention_policy(logGroupName=group, retentionInDays=int(days))
    elif before:
        logs.delete_retention_policy(logGroupName=group)


def _tag_log_group(request: Any, before: list[dict[str, str]]) -> None:
    wanted, logs = request.desired_state, request.aws_client_factory.logs
    tags, arn = wanted.get("Tags") or [], wanted["Arn"].removesuffix(":*")
    gone = {tag["Key"] for tag in before} - {tag["Key"] for tag in tags}
    if gone:
        logs.untag_resource(resourceArn=arn, tagKeys=sorted(gone))
    if tags:
        logs.tag_resource(resourceArn=arn, tags={tag["Key"]: tag["Value"] for tag in tags})
