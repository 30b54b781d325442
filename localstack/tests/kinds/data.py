"""Buckets, queues, tables and repositories."""

from __future__ import annotations

from localstack.tests.kinds.world import HANDLER, World, kind

CORS = {"CORSRules": [{"AllowedMethods": ["GET"], "AllowedOrigins": ["https://lab.example"]}]}


@kind("s3-bucket-settings")
class BucketSettings:
    @staticmethod
    def make(world: World) -> None:
        s3 = world.client("s3")
        s3.create_bucket(Bucket="settings")
        _, arn = world.queue("bucket-events")
        s3.put_bucket_notification_configuration(
            Bucket="settings",
            NotificationConfiguration={
                "QueueConfigurations": [{"QueueArn": arn, "Events": ["s3:ObjectCreated:*"]}]
            },
        )
        s3.put_bucket_cors(Bucket="settings", CORSConfiguration=CORS)
        s3.put_bucket_tagging(
            Bucket="settings", Tagging={"TagSet": [{"Key": "owner", "Value": "lab"}]}
        )
        s3.put_public_access_block(
            Bucket="settings", PublicAccessBlockConfiguration={"BlockPublicAcls": True}
        )

    @staticmethod
    def check(world: World) -> None:
        s3, sqs = world.client("s3"), world.client("sqs")
        assert s3.get_bucket_cors(Bucket="settings")["CORSRules"] == CORS["CORSRules"]
        assert s3.get_bucket_tagging(Bucket="settings")["TagSet"][0]["Value"] == "lab"
        block = s3.get_public_access_block(Bucket="settings")["PublicAccessBlockConfiguration"]
        assert block["BlockPublicAcls"] is True
        url = sqs.get_queue_url(QueueName="bucket-events")["QueueUrl"]
        sqs.purge_queue(QueueUrl=url)
        s3.put_object(Bucket="settings", Key="new", Body=b"1")
        assert '"new"' in world.bodies(url)[0]


@kind("s3-objects")
class Objects:
    @staticmethod
    def make(world: World) -> None:
        s3 = world.client("s3")
        s3.create_bucket(Bucket="objects")
        s3.put_object(Bucket="objects", Key="a b/ü", Body=b"1", Metadata={"camera": "front"})
        s3.create_bucket(Bucket="versions")
        s3.put_bucket_versioning(Bucket="versions", VersioningConfiguration={"Status": "Enabled"})
        for body in (b"old", b"new"):
            s3.put_object(Bucket="versions", Key="k", Body=body)

    @staticmethod
    def check(world: World) -> None:
        s3 = world.client("s3")
        one = s3.get_object(Bucket="objects", Key="a b/ü")
        assert (one["Body"].read(), one["Metadata"]) == (b"1", {"camera": "front"})
        versions = s3.list_object_versions(Bucket="versions")["Versions"]
        bodies = [
            s3.get_object(Bucket="versions", Key="k", VersionId=one["VersionId"])["Body"].read()
            for one in versions
        ]
        assert bodies == [b"new", b"old"]


@kind("sqs-in-flight")
class InFlight:
    @staticmethod
    def make(world: World) -> None:
        url, _ = world.queue("in-flight")
        sqs = world.client("sqs")
        for body in ("held", "lost"):
            sqs.send_message(QueueUrl=url, MessageBody=body)
        held = sqs.receive_message(QueueUrl=url, VisibilityTimeout=600, MaxNumberOfMessages=10)
        world.noted["held"] = {one["Body"]: one["ReceiptHandle"] for one in held["Messages"]}

    @staticmethod
    def check(world: World) -> None:
        sqs = world.client("sqs")
        url = sqs.get_queue_url(QueueName="in-flight")["QueueUrl"]
        assert "Messages" not in sqs.receive_message(QueueUrl=url)
        held = world.noted["held"]
        sqs.delete_message(QueueUrl=url, ReceiptHandle=held["held"])
        sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=held["lost"], VisibilityTimeout=0)
        (message,) = sqs.receive_message(QueueUrl=url, AttributeNames=["All"])["Messages"]
        assert message["Body"] == "lost"
        assert message["Attributes"]["ApproximateReceiveCount"] == "2"


@kind("sqs-delayed")
class Delayed:
    @staticmethod
    def make(world: World) -> None:
        url, _ = world.queue("delayed")
        sqs = world.client("sqs")
        sqs.send_message(QueueUrl=url, MessageBody="soon", DelaySeconds=20)
        sqs.send_message(QueueUrl=url, MessageBody="late", DelaySeconds=900)

    @staticmethod
    def check(world: World) -> None:
        sqs = world.client("sqs")
        url = sqs.get_queue_url(QueueName="delayed")["QueueUrl"]
        assert world.bodies(url, 60) == ["soon"]
        waiting = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        assert waiting["ApproximateNumberOfMessagesDelayed"] == "1"


@kind("sqs-fifo")
class Fifo:
    @staticmethod
    def make(world: World) -> None:
        url, _ = world.queue("o.fifo", FifoQueue="true", ContentBasedDeduplication="true")
        sqs = world.client("sqs")
        for group, body in (("a", "a1"), ("a", "a2"), ("b", "b1")):
            sqs.send_message(QueueUrl=url, MessageBody=body, MessageGroupId=group)
        (held,) = sqs.receive_message(QueueUrl=url, VisibilityTimeout=600)["Messages"]
        assert held["Body"] == "a1"
        world.noted["a1"] = held["ReceiptHandle"]

    @staticmethod
    def check(world: World) -> None:
        sqs = world.client("sqs")
        url = sqs.get_queue_url(QueueName="o.fifo")["QueueUrl"]
        sqs.send_message(QueueUrl=url, MessageBody="b1", MessageGroupId="b")  # a repetition
        assert world.bodies(url) == ["b1"]  # group a waits for who holds a1
        assert world.bodies(url, 3) == []
        sqs.delete_message(QueueUrl=url, ReceiptHandle=world.noted["a1"])
        assert world.bodies(url) == ["a2"]


@kind("dynamodb-table-settings")
class TableSettings:
    @staticmethod
    def make(world: World) -> None:
        dynamodb = world.client("dynamodb")
        dynamodb.create_table(
            TableName="rows",
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[
                {"AttributeName": name, "AttributeType": "S"} for name in ("id", "city")
            ],
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            GlobalSecondaryIndexes=[
                {
                    "IndexName": "by-city",
                    "KeySchema": [{"AttributeName": "city", "KeyType": "HASH"}],
                    "Projection": {"ProjectionType": "ALL"},
                }
            ],
            Tags=[{"Key": "owner", "Value": "lab"}],
        )
        dynamodb.update_time_to_live(
            TableName="rows", TimeToLiveSpecification={"Enabled": True, "AttributeName": "until"}
        )
        dynamodb.put_item(TableName="rows", Item={"id": {"S": "1"}, "city": {"S": "Bern"}})

    @staticmethod
    def check(world: World) -> None:
        dynamodb = world.client("dynamodb")
        found = dynamodb.query(
            TableName="rows", IndexName="by-city", KeyConditionExpression="city = :c",
            ExpressionAttributeValues={":c": {"S": "Bern"}},
        )  # fmt: skip
        assert found["Items"] == [{"id": {"S": "1"}, "city": {"S": "Bern"}}]
        ttl = dynamodb.describe_time_to_live(TableName="rows")["TimeToLiveDescription"]
        assert ttl["AttributeName"] == "until"
        arn = dynamodb.describe_table(TableName="rows")["Table"]["TableArn"]
        assert dynamodb.list_tags_of_resource(ResourceArn=arn)["Tags"][0]["Value"] == "lab"


@kind("ecr")
class Repositories:
    @staticmethod
    def make(world: World) -> None:
        world.noted["image"] = world.deployer.push(HANDLER, tag="one").digest

    @staticmethod
    def check(world: World) -> None:
        ecr = world.client("ecr")
        (image,) = ecr.describe_images(
            repositoryName=world.deployer.repository, imageIds=[{"imageTag": "one"}]
        )["imageDetails"]
        assert image["imageDigest"] == world.noted["image"]
