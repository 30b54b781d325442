"""Functions with all that belongs to them, stacks, identities."""

from __future__ import annotations

import json
from typing import Any

from localstack.tests.kinds.world import ACCOUNT, REGION, World, kind

TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "lambda.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
)
TEMPLATE = json.dumps(
    {
        "Parameters": {"Name": {"Type": "String"}},
        "Resources": {
            "Queue": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": {"Ref": "Name"}}}
        },
        "Outputs": {"Arn": {"Value": {"Fn::GetAtt": ["Queue", "Arn"]}, "Export": {"Name": "arn"}}},
    }
)


@kind("lambda-versions-and-aliases")
class Functions:
    @staticmethod
    def make(world: World) -> None:
        world.function("f", Environment={"Variables": {"COLOR": "red"}})
        client = world.client("lambda")
        client.publish_version(FunctionName="f", Description="the red one")
        client.update_function_configuration(
            FunctionName="f", Environment={"Variables": {"COLOR": "blue"}}
        )
        client.get_waiter("function_updated_v2").wait(FunctionName="f")
        client.create_alias(FunctionName="f", Name="live", FunctionVersion="1")
        client.add_permission(
            FunctionName="f", StatementId="s3", Action="lambda:InvokeFunction",
            Principal="s3.amazonaws.com",
        )  # fmt: skip
        client.put_function_event_invoke_config(FunctionName="f", MaximumRetryAttempts=1)
        client.put_function_concurrency(FunctionName="f", ReservedConcurrentExecutions=3)
        client.tag_resource(
            Resource=f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:f", Tags={"owner": "lab"}
        )
        world.noted["url"] = client.create_function_url_config(FunctionName="f", AuthType="NONE")

    @staticmethod
    def check(world: World) -> None:
        client = world.client("lambda")
        now, live = (
            json.load(client.invoke(FunctionName=one)["Payload"]) for one in ("f", "f:live")
        )
        assert now == {"color": "blue", "version": "$LATEST"}
        assert live == {"color": "red", "version": "1"}
        assert '"s3"' in client.get_policy(FunctionName="f")["Policy"]
        settings = client.get_function_event_invoke_config(FunctionName="f")
        assert settings["MaximumRetryAttempts"] == 1
        found = client.get_function(FunctionName="f")
        assert found["Concurrency"]["ReservedConcurrentExecutions"] == 3
        assert found["Tags"] == {"owner": "lab"}
        url = client.get_function_url_config(FunctionName="f")
        assert url["FunctionUrl"] == world.noted["url"]["FunctionUrl"]


@kind("lambda-settings")
class FunctionSettings:
    """What is known of a function without its image."""

    @staticmethod
    def make(world: World) -> None:
        world.function("known", Environment={"Variables": {"COLOR": "red"}}, Description="red")
        client = world.client("lambda")
        client.publish_version(FunctionName="known")
        client.create_alias(FunctionName="known", Name="live", FunctionVersion="1")

    @staticmethod
    def check(world: World) -> None:
        found = world.client("lambda").get_function(FunctionName="known:live")["Configuration"]
        assert (found["Version"], found["Description"]) == ("1", "red")
        assert found["Environment"]["Variables"] == {"COLOR": "red"}


@kind("lambda-pending-events")
class PendingEvents:
    """One event waits for its retry, one has only just been accepted."""

    @staticmethod
    def make(world: World) -> None:
        world.function("retried")
        client, logs = world.client("lambda"), world.client("logs")
        logs.create_log_group(logGroupName="/aws/lambda/retried")
        url, _ = world.queue("said")

        def invoke(**event: str) -> None:
            client.invoke(FunctionName="retried", InvocationType="Event", Payload=json.dumps(event))

        def failed() -> Any:
            found = logs.filter_log_events(logGroupName="/aws/lambda/retried")["events"]
            return [one for one in found if "for the first time" in one["message"]]

        invoke(send_to=url, say="retried", fail_once="/tmp/failed")  # noqa: S108  its own
        world.wait(failed, "the first failure")
        invoke(send_to=url, say="accepted")

    @staticmethod
    def check(world: World) -> None:
        url = world.client("sqs").get_queue_url(QueueName="said")["QueueUrl"]
        said: list[str] = []
        while len(set(said)) < 2 and (more := world.bodies(url, 60)):
            said += more
        assert set(said) == {"retried", "accepted"}


@kind("lambda-event-source-mapping")
class EventSource:
    @staticmethod
    def make(world: World) -> None:
        world.function("consumer")
        _, arn = world.queue("source", VisibilityTimeout="30")
        made = world.client("lambda").create_event_source_mapping(
            FunctionName="consumer", EventSourceArn=arn, BatchSize=1
        )
        world.noted["mapping"] = made["UUID"]

    @staticmethod
    def check(world: World) -> None:
        client, sqs = world.client("lambda"), world.client("sqs")
        found = client.get_event_source_mapping(UUID=world.noted["mapping"])
        assert (found["State"], found["BatchSize"]) == ("Enabled", 1)
        url = sqs.get_queue_url(QueueName="source")["QueueUrl"]
        sqs.send_message(QueueUrl=url, MessageBody="{}")
        counts = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]

        def taken() -> bool:
            left = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=counts)["Attributes"]
            return set(left.values()) == {"0"}

        world.wait(taken, "the function to take the message")


@kind("cloudformation")
class Stacks:
    @staticmethod
    def make(world: World) -> None:
        cloudformation = world.client("cloudformation")
        cloudformation.create_stack(
            StackName="stack", TemplateBody=TEMPLATE,
            Parameters=[{"ParameterKey": "Name", "ParameterValue": "of-stack"}],
        )  # fmt: skip
        cloudformation.get_waiter("stack_create_complete").wait(
            StackName="stack", WaiterConfig={"Delay": 1}
        )

    @staticmethod
    def check(world: World) -> None:
        cloudformation = world.client("cloudformation")
        (stack,) = cloudformation.describe_stacks(StackName="stack")["Stacks"]
        assert stack["Outputs"][0]["OutputValue"].endswith(":of-stack")
        assert [one["Name"] for one in cloudformation.list_exports()["Exports"]] == ["arn"]
        cloudformation.update_stack(
            StackName="stack", TemplateBody=TEMPLATE,
            Parameters=[{"ParameterKey": "Name", "ParameterValue": "renamed"}],
        )  # fmt: skip
        cloudformation.get_waiter("stack_update_complete").wait(
            StackName="stack", WaiterConfig={"Delay": 1}
        )
        assert world.client("sqs").get_queue_url(QueueName="renamed")["QueueUrl"]


@kind("iam")
class Identities:
    @staticmethod
    def make(world: World) -> None:
        iam = world.client("iam")
        iam.create_role(RoleName="reader", AssumeRolePolicyDocument=TRUST)
        document = json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}],
            }
        )
        iam.put_role_policy(RoleName="reader", PolicyName="own", PolicyDocument=document)
        policy = iam.create_policy(PolicyName="shared", PolicyDocument=document)["Policy"]["Arn"]
        iam.attach_role_policy(RoleName="reader", PolicyArn=policy)
        iam.attach_role_policy(
            RoleName="reader",
            PolicyArn="arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole",
        )
        iam.create_user(UserName="ada", Tags=[{"Key": "owner", "Value": "lab"}])

    @staticmethod
    def check(world: World) -> None:
        iam = world.client("iam")
        attached = iam.list_attached_role_policies(RoleName="reader")["AttachedPolicies"]
        names = {one["PolicyName"] for one in attached}
        assert names == {"shared", "AWSLambdaBasicExecutionRole"}
        own = iam.get_role_policy(RoleName="reader", PolicyName="own")["PolicyDocument"]
        assert own["Statement"][0]["Action"] == "s3:GetObject"
        assert iam.list_user_tags(UserName="ada")["Tags"][0]["Value"] == "lab"


@kind("iam-access-keys")
class AccessKeys:
    @staticmethod
    def make(world: World) -> None:
        iam = world.client("iam")
        iam.create_user(UserName="bob")
        world.noted["key"] = iam.create_access_key(UserName="bob")["AccessKey"]["AccessKeyId"]

    @staticmethod
    def check(world: World) -> None:
        (key,) = world.client("iam").list_access_keys(UserName="bob")["AccessKeyMetadata"]
        assert key["AccessKeyId"] == world.noted["key"]
