"""The cloud in memory: S3, DynamoDB, SQS, STS and an asynchronous function, as AWS promises them.

What AWS does not promise is left to chance: events come at least once, late, out of order or
not at all; messages repeat and overtake each other; a function's environment ends anywhere.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote_plus

from tests.simulation import expressions
from tests.simulation.clients import Body, error
from tests.simulation.recognizer import gallery_bytes
from tests.simulation.scheduler import EPOCH_NS, SECOND, Process, Task, World, current, wait

ACCOUNT = "000000000000"
GALLERY_KEY = "gallery/gallery.npz"
PREFIX = "facelab"
DEAD_LETTERS = f"{PREFIX}-dead-letters"
RECONCILER_S = 300
_BUCKET = f"{PREFIX}-{ACCOUNT}-us-east-1"


@dataclass(frozen=True)
class Habits:
    """How this history's cloud behaves when nothing is broken; probabilities and seconds."""

    repeated_event: float = 0.0
    late_event: float = 0.0
    lost_event: float = 0.0
    repeated_message: float = 0.0
    slow_call: float = 0.0
    slow_recognition: float = 0.0
    killed_function: float = 0.0
    killed_after_send: float = 0.0
    killed_reconciler: float = 0.0
    retry_base_s: float = 60.0
    concurrency: int = 10
    visibility_s: float = 30.0
    timeout_s: float = 30.0


@dataclass
class Object:
    data: bytes
    metadata: dict[str, str]
    etag: str
    stored_ns: int = 0


@dataclass
class Message:
    body: str
    message_id: str
    visible_at_ns: int = 0
    is_copy: bool = False  # SQS may deliver a message twice, also one that was deleted
    receipts: set[str] = field(default_factory=set)


@dataclass
class Invocation:
    """An asynchronous event on its way through its attempts."""

    event: dict[str, Any]
    request_id: str
    queued_ns: int
    attempts: int = 0
    was_hit: bool = False  # by a fault that we put in, in this attempt
    unexcused: int = 0  # attempts that failed without one


class Cloud:
    """One account. `lose_everything` is what a killed emulator does."""

    def __init__(self, world: World, realm: Any, habits: Habits, people: dict[str, str]) -> None:
        self.world = world
        self.realm = realm
        self.habits = habits
        self.people = people
        self.forgotten: set[str] = set()
        self.is_up = True
        self.age = 0
        self.faults: Counter[str] = Counter()
        self.fault: Callable[[str], str | None] = lambda where: None
        self.may_kill: Callable[[], bool] = lambda: True
        self.devices: list[str] = []
        self.idle: list[Environment] = []
        self.running: list[Environment] = []
        self.pending = 0
        self._ids = itertools.count(1)
        self._polling: list[Task] = []
        self._reconcilers: list[Process] = []
        self.on_failed: Callable[[dict, Invocation], None] = lambda failed, invocation: None
        self.on_letter: Callable[[str], None] = lambda body: None
        self.on_letter_gone: Callable[[str], None] = lambda body: None
        self.on_send: Callable[[str, Environment | None], None] = lambda body, env: None
        self.lose_everything()

    # --- life ------------------------------------------------------------------------------

    def lose_everything(self) -> None:
        """A new emulator: no clips, no messages, no ledger; people and gallery seeded."""
        self.age += 1
        self.objects: dict[str, Object] = {}
        self.tables: dict[str, dict[str, expressions.Item]] = {}
        self.queues: dict[str, list[Message]] = {DEAD_LETTERS: []}
        self.pending = 0
        for environment in [*self.idle, *self.running]:
            environment.process.kill()
        for process in self._reconcilers:
            process.kill()
        self.idle, self.running, self._reconcilers = [], [], []
        for task in self._polling:
            self.world.wake(task)
        self._polling = []
        for device in self.devices:
            self.add_device(device)
        names = {one: name for one, name in self.people.items() if one not in self.forgotten}
        self.tables[f"{PREFIX}-people"] = {
            one: {"person_id": {"S": one}, "name": {"S": name}} for one, name in names.items()
        }
        self.put_gallery(names)

    def put_gallery(self, people: Any) -> None:
        data = gallery_bytes(people)
        self.objects[GALLERY_KEY] = Object(data, {}, hashlib.md5(data).hexdigest())  # noqa: S324

    def add_device(self, device_id: str) -> None:
        if device_id not in self.devices:
            self.devices.append(device_id)
        self.queues[f"{PREFIX}-results-{device_id}"] = []

    def travel_s(self) -> float:
        chance = self.world.chance
        if self.habits.slow_call and chance.random() < self.habits.slow_call:
            return chance.uniform(0.5, 8)
        return chance.uniform(0.001, 0.02)

    def recognize_s(self) -> float:
        chance = self.world.chance
        if chance.random() < self.habits.slow_recognition:
            return chance.uniform(5, 40)
        return chance.uniform(0.05, 0.3)

    def count(self, fault: str) -> None:
        self.faults[fault] += 1

    def new_id(self) -> str:
        return f"{next(self._ids):08x}-0000-4000-8000-{self.world.chance.getrandbits(48):012x}"

    @property
    def is_quiet(self) -> bool:
        return not self.running and not self.pending and not self._reconcilers

    # --- STS -------------------------------------------------------------------------------

    def sts_get_caller_identity(self) -> dict[str, Any]:
        return {"Account": ACCOUNT}

    # --- S3 --------------------------------------------------------------------------------

    def s3_put_object(
        self,
        Bucket: str,
        Key: str,
        Body: Any,
        Metadata: dict[str, str] | None = None,
        ChecksumSHA256: str | None = None,
        IfMatch: str | None = None,
        IfNoneMatch: str | None = None,
        **_: Any,
    ) -> dict[str, Any]:
        data = Body if isinstance(Body, bytes) else Body.read()
        digest = base64.b64encode(hashlib.sha256(data).digest()).decode()
        if ChecksumSHA256 not in (None, digest):
            raise error("BadDigest", 400, "PutObject")
        held = self.objects.get(Key)
        if (IfNoneMatch and held) or (IfMatch and (not held or f'"{held.etag}"' != IfMatch)):
            raise error("PreconditionFailed", 412, "PutObject")
        etag = hashlib.md5(data).hexdigest()  # noqa: S324  what S3 does
        self.objects[Key] = Object(data, dict(Metadata or {}), etag, self.world.now_ns)
        if Key.startswith("clips/") and Key.endswith(".h264"):
            self._notify(Bucket, Key, data, etag)
        return {"ETag": f'"{etag}"', "ChecksumSHA256": digest, "ResponseMetadata": _OK}

    def s3_get_object(
        self, Bucket: str, Key: str, IfNoneMatch: str | None = None, **_: Any
    ) -> dict[str, Any]:
        held = self._object(Key, "GetObject")
        if IfNoneMatch == f'"{held.etag}"':
            raise error("304", 304, "GetObject")
        return {
            "Body": Body(held.data, False),
            "Metadata": dict(held.metadata),
            "ETag": f'"{held.etag}"',
            "ContentLength": len(held.data),
            "ResponseMetadata": _OK,
        }

    def s3_head_object(self, Bucket: str, Key: str, **_: Any) -> dict[str, Any]:
        held = self._object(Key, "HeadObject")
        return {
            "ETag": f'"{held.etag}"',
            "ContentLength": len(held.data),
            "Metadata": dict(held.metadata),
            "ResponseMetadata": _OK,
        }

    def s3_delete_object(self, Bucket: str, Key: str, **_: Any) -> dict[str, Any]:
        self.objects.pop(Key, None)
        return {"ResponseMetadata": _OK}

    def s3_list_objects_v2(self, Bucket: str, Prefix: str = "", **_: Any) -> dict[str, Any]:
        rows = [
            {
                "Key": key,
                "Size": len(one.data),
                "ETag": f'"{one.etag}"',
                "LastModified": datetime.fromtimestamp((EPOCH_NS + one.stored_ns) / SECOND, UTC),
            }
            for key, one in sorted(self.objects.items())
            if key.startswith(Prefix)
        ]
        return {"Contents": rows, "KeyCount": len(rows), "IsTruncated": False}

    def _object(self, key: str, operation: str) -> Object:
        if key not in self.objects:
            raise error("NoSuchKey", 404, operation)
        return self.objects[key]

    def _notify(self, bucket: str, key: str, data: bytes, etag: str) -> None:
        record = {
            "eventName": "ObjectCreated:Put",
            "eventTime": "2026-11-25T00:00:00.000Z",
            "s3": {
                "bucket": {"name": bucket},
                "object": {"key": quote_plus(key, safe="/"), "size": len(data), "eTag": etag},
            },
        }
        chance, habits = self.world.chance, self.habits
        if chance.random() < habits.lost_event:
            self.count("event lost")
            return
        times = 1
        if chance.random() < habits.repeated_event:
            times = 2
            self.count("event repeated")
        request_id = self.new_id()
        for number in range(times):
            delay_s = chance.uniform(0.01, 0.1)
            if chance.random() < habits.late_event:
                self.count("event late")
                delay_s = chance.uniform(1, 200)
            if number and chance.random() < 0.5:
                request_id = self.new_id()
            one = Invocation({"Records": [record]}, request_id, self.world.now_ns)
            self._deliver_after(delay_s, one)

    # --- Lambda ----------------------------------------------------------------------------

    def lambda_invoke(
        self, FunctionName: str, Payload: Any, InvocationType: str = "RequestResponse", **_: Any
    ) -> dict[str, Any]:
        assert InvocationType == "Event", InvocationType
        event = json.loads(Payload)
        self._deliver_after(0.01, Invocation(event, self.new_id(), self.world.now_ns))
        return {"StatusCode": 202}

    def letters(self) -> list[Message]:
        """What stands in the queue of dead letters."""
        return self.queues[DEAD_LETTERS]

    def run_reconciler(self, event: dict[str, Any], attempt: int = 1, request_id: str = "") -> None:
        """Invoke the stack's other function asynchronously: its schedule, or a failed event."""
        if not self.is_up:
            return
        request_id = request_id or self.new_id()
        environment = {"FACELAB_PREFIX": PREFIX, "FACELAB_BUCKET": _BUCKET}
        name = f"reconcile-{next(self.world.fresh)}"
        process = Process(self.world, name, self.world.cloud_host, environment)
        deadline = self.world.now_ns + RECONCILER_S * SECOND
        context = _Context(self.world, deadline, request_id)
        age = self.age

        def main() -> int:
            try:
                self.realm.fresh("reconcile").handler(event, context)
            except Exception as failure:
                self.world.note(f"{name} failed: {failure!r}")
                return 1
            return 0

        def ended(process: Process) -> None:
            if process in self._reconcilers:
                self._reconcilers.remove(process)
            if process.status == 0 or attempt > 2 or age != self.age:
                return
            self._after(
                self.habits.retry_base_s * attempt,
                lambda: self.run_reconciler(event, attempt + 1, request_id),
            )

        self._reconcilers.append(process)
        process.on_end = ended
        if self.world.chance.random() < self.habits.killed_reconciler and self.may_kill():
            self.count("reconciler killed")
            self.world.after(self.world.chance.uniform(0, 0.4), process.kill)
        self.world.at(deadline, process.kill)
        process.run(main)

    def _after(self, delay_s: float, what: Callable[[], None]) -> None:
        """Something that this emulator has still to do, and forgets when it is killed."""
        age = self.age
        self.pending += 1

        def due() -> None:
            if age == self.age:
                self.pending -= 1
                what()

        self.world.after(delay_s, due)

    def _deliver_after(self, delay_s: float, invocation: Invocation) -> None:
        self._after(delay_s, lambda: self._deliver(invocation))

    def _deliver(self, invocation: Invocation) -> None:
        if len(self.running) >= self.habits.concurrency:
            self.count("throttled")
            if self.world.now_ns - invocation.queued_ns > 3600 * SECOND:
                self._failed(invocation, "EventAgeExceeded")
            else:
                self._deliver_after(self.world.chance.uniform(0.5, 2), invocation)
            return
        environment = self.idle.pop() if self.idle else Environment(self)
        self.running.append(environment)
        environment.invoke(invocation)

    def finished(self, environment: Environment, invocation: Invocation, failure: str) -> None:
        if environment in self.running:
            self.running.remove(environment)
        if not environment.process.dead:
            self.idle.append(environment)
        if not failure:
            return
        self.world.note(f"invocation {invocation.request_id[:8]} failed: {failure}")
        invocation.attempts += 1
        invocation.unexcused += not invocation.was_hit
        invocation.was_hit = False
        if invocation.attempts > 2:
            self._failed(invocation, failure)
        else:
            self._deliver_after(self.habits.retry_base_s * invocation.attempts, invocation)

    def _failed(self, invocation: Invocation, failure: str) -> None:
        """All attempts are over: Lambda hands the event to the destination for failures."""
        failed = {
            "version": "1.0",
            "requestContext": {"requestId": invocation.request_id, "condition": failure},
            "requestPayload": invocation.event,
            "responsePayload": {"errorMessage": failure},
        }
        self.on_failed(failed, invocation)
        times = 1
        if self.world.chance.random() < self.habits.lost_event:
            self.count("failed event lost")
            times = 0
        elif self.world.chance.random() < self.habits.repeated_event:
            self.count("failed event repeated")
            times = 2
        for _ in range(times):
            delay_s = self.world.chance.uniform(0.01, 0.1)
            if self.world.chance.random() < self.habits.late_event:
                delay_s = self.world.chance.uniform(1, 200)
            self._after(delay_s, lambda: self.run_reconciler(failed))

    # --- DynamoDB --------------------------------------------------------------------------

    def _table(self, name: str) -> dict[str, expressions.Item]:
        return self.tables.setdefault(name, {})

    def dynamodb_update_item(
        self,
        TableName: str,
        Key: dict[str, Any],
        UpdateExpression: str,
        ConditionExpression: str | None = None,
        ExpressionAttributeNames: dict[str, str] | None = None,
        ExpressionAttributeValues: dict[str, Any] | None = None,
        ReturnValues: str = "NONE",
        **_: Any,
    ) -> dict[str, Any]:
        table, key = self._table(TableName), _key(Key)
        held = table.get(key)
        scope = (held or {}, ExpressionAttributeNames or {}, ExpressionAttributeValues or {})
        self._check(ConditionExpression, scope, "UpdateItem")
        scope = (held or dict(Key), scope[1], scope[2])
        table[key] = expressions.update(UpdateExpression)(scope)
        return _values(ReturnValues, held, table[key])

    def dynamodb_put_item(
        self,
        TableName: str,
        Item: dict[str, Any],
        ConditionExpression: str | None = None,
        ExpressionAttributeNames: dict[str, str] | None = None,
        ExpressionAttributeValues: dict[str, Any] | None = None,
        **_: Any,
    ) -> dict[str, Any]:
        name = "clip" if "clip" in Item else "person_id"
        table, key = self._table(TableName), _key({name: Item[name]})
        scope = (
            table.get(key, {}),
            ExpressionAttributeNames or {},
            ExpressionAttributeValues or {},
        )
        self._check(ConditionExpression, scope, "PutItem")
        table[key] = dict(Item)
        return {}

    def dynamodb_get_item(self, TableName: str, Key: dict[str, Any], **_: Any) -> dict[str, Any]:
        held = self._table(TableName).get(_key(Key))
        return {} if held is None else {"Item": dict(held)}

    def dynamodb_delete_item(
        self, TableName: str, Key: dict[str, Any], ReturnValues: str = "NONE", **_: Any
    ) -> dict[str, Any]:
        return _values(ReturnValues, self._table(TableName).pop(_key(Key), None), {})

    def dynamodb_batch_get_item(self, RequestItems: dict[str, Any], **_: Any) -> dict[str, Any]:
        found = {
            table: [
                dict(self._table(table)[_key(key)])
                for key in wanted["Keys"]
                if _key(key) in self._table(table)
            ]
            for table, wanted in RequestItems.items()
        }
        return {"Responses": found, "UnprocessedKeys": {}}

    def dynamodb_scan(self, TableName: str, **arguments: Any) -> dict[str, Any]:
        names = arguments.get("ExpressionAttributeNames", {})
        values = arguments.get("ExpressionAttributeValues", {})
        rows = [dict(row) for row in self._table(TableName).values()]
        if text := arguments.get("FilterExpression"):
            holds = expressions.condition(text)
            rows = [row for row in rows if holds((row, names, values))]
        return {"Items": rows, "Count": len(rows)}

    def _check(self, text: str | None, scope: expressions.Scope, operation: str) -> None:
        if text and not expressions.condition(text)(scope):
            raise error("ConditionalCheckFailedException", 400, operation, Item=dict(scope[0]))

    # --- SQS -------------------------------------------------------------------------------

    def _queue(self, url: str, operation: str) -> list[Message]:
        name = url.rpartition("/")[2]
        if name not in self.queues:
            raise error("AWS.SimpleQueueService.NonExistentQueue", 400, operation)
        return self.queues[name]

    def _enqueue(self, name: str, body: str) -> str:
        polling, self._polling = self._polling, []
        for task in polling:
            self.world.wake(task)
        message = Message(body, self.new_id())
        self.queues[name].append(message)
        if self.world.chance.random() < self.habits.repeated_message:
            self.count("message repeated")
            self.queues[name].append(Message(body, message.message_id, is_copy=True))
        return message.message_id

    def sqs_get_queue_url(self, QueueName: str, **_: Any) -> dict[str, Any]:
        self._queue(QueueName, "GetQueueUrl")
        return {"QueueUrl": f"http://simulated/{ACCOUNT}/{QueueName}"}

    def sqs_send_message(self, QueueUrl: str, MessageBody: str, **_: Any) -> dict[str, Any]:
        queue = self._queue(QueueUrl, "SendMessage")
        del queue
        name = QueueUrl.rpartition("/")[2]
        environment = getattr(current().process, "environment_of", None)
        if name == DEAD_LETTERS:
            self.on_letter(MessageBody)
        else:
            self.on_send(MessageBody, environment)
        digest = hashlib.md5(MessageBody.encode()).hexdigest()  # noqa: S324  what SQS does
        answer = {"MessageId": self._enqueue(name, MessageBody), "MD5OfMessageBody": digest}
        if environment is not None:
            environment.has_sent()
        return answer

    def sqs_receive_message(
        self,
        QueueUrl: str,
        MaxNumberOfMessages: int = 1,
        WaitTimeSeconds: float = 0,
        VisibilityTimeout: float | None = None,
        **_: Any,
    ) -> dict[str, Any]:
        world, chance = self.world, self.world.chance
        deadline = world.now_ns + int(WaitTimeSeconds * SECOND)
        while True:
            queue = self._queue(QueueUrl, "ReceiveMessage")
            visible = [one for one in queue if one.visible_at_ns <= world.now_ns]
            if visible or world.now_ns >= deadline or not self.is_up:
                break
            until = min([deadline, *(one.visible_at_ns for one in queue)])
            self._polling.append(current())
            wait((until - world.now_ns) / SECOND)
        chance.shuffle(visible)
        hidden = VisibilityTimeout if VisibilityTimeout is not None else self.habits.visibility_s
        answer = []
        for message in visible[:MaxNumberOfMessages]:
            receipt = self.new_id()
            message.receipts.add(receipt)
            if chance.random() < self.habits.repeated_message:
                self.count("message repeated")  # it stays visible: SQS promises at least once
            else:
                message.visible_at_ns = world.now_ns + int(hidden * SECOND)
            answer.append(
                {"Body": message.body, "MessageId": message.message_id, "ReceiptHandle": receipt}
            )
        return {"Messages": answer} if answer else {}

    def sqs_delete_message(self, QueueUrl: str, ReceiptHandle: str, **_: Any) -> dict[str, Any]:
        queue = self._queue(QueueUrl, "DeleteMessage")
        gone = [one for one in queue if ReceiptHandle in one.receipts]
        queue[:] = [one for one in queue if ReceiptHandle not in one.receipts]
        for message in gone:
            for other in queue:
                other.is_copy |= other.message_id == message.message_id
            if queue is self.letters():
                self.on_letter_gone(message.body)
            if self.world.chance.random() < self.habits.repeated_message:
                self.count("message repeated")  # one of the servers that hold it was away
                again_ns = self.world.now_ns + int(self.world.chance.uniform(1, 60) * SECOND)
                queue.append(Message(message.body, message.message_id, again_ns, is_copy=True))
        return {}

    def sqs_delete_message_batch(self, QueueUrl: str, Entries: list, **_: Any) -> dict[str, Any]:
        failed = []
        for entry in Entries:
            if self.fault("sqs.delete_entry") is not None:
                failed.append({"Id": entry["Id"], "Code": "InternalError", "SenderFault": False})
            else:
                self.sqs_delete_message(QueueUrl, entry["ReceiptHandle"])
        return {"Failed": failed} if failed else {}

    def sqs_change_message_visibility(
        self, QueueUrl: str, ReceiptHandle: str, VisibilityTimeout: float, **_: Any
    ) -> dict[str, Any]:
        for message in self._queue(QueueUrl, "ChangeMessageVisibility"):
            if ReceiptHandle in message.receipts:
                message.visible_at_ns = self.world.now_ns + int(VisibilityTimeout * SECOND)
        return {}

    def sqs_get_queue_attributes(self, QueueUrl: str, **_: Any) -> dict[str, Any]:
        queue = self._queue(QueueUrl, "GetQueueAttributes")
        return {"Attributes": {"ApproximateNumberOfMessages": str(len(queue))}}


class Environment:
    """One execution environment: initialized once, then one invocation at a time."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        world = cloud.world
        variables = {
            "FACELAB_PREFIX": PREFIX,
            "FACELAB_BUCKET": _BUCKET,
            "AWS_REGION": "us-east-1",
            "AWS_LAMBDA_FUNCTION_NAME": f"{PREFIX}-recognize",
            "LAMBDA_TASK_ROOT": "/var/task",
            "FACELAB_TRACES": "off",
        }
        number = next(world.fresh)
        self.process = Process(world, f"function-{number}", world.cloud_host, variables)
        self.process.environment_of = self
        self.process.on_end = lambda _: self._ended()
        self._waiting: Task | None = None
        self.invocation: Invocation | None = None
        self.deadline_ns = 0
        self.process.run(self._main)

    def invoke(self, invocation: Invocation) -> None:
        world, cloud = self.cloud.world, self.cloud
        self.invocation = invocation
        timeout = int(cloud.habits.timeout_s * SECOND)
        self.deadline_ns = world.now_ns + timeout
        world.at(self.deadline_ns, lambda: self._time_out(invocation))
        if world.chance.random() < cloud.habits.killed_function and cloud.may_kill():
            cloud.count("function killed")
            # Half of them before it has looked at the clip, and so before its claim.
            most_s = world.chance.choice((0.1, 0.6))
            world.after(world.chance.uniform(0, most_s), lambda: self._kill(invocation))
        if self._waiting is not None:
            world.wake(self._waiting)

    def _time_out(self, invocation: Invocation) -> None:
        if self.invocation is invocation and self.deadline_ns <= self.cloud.world.now_ns:
            self.cloud.count("function timed out")
            invocation.was_hit = True
            self.process.kill()

    def _kill(self, invocation: Invocation) -> None:
        if self.invocation is invocation:
            invocation.was_hit = True
            self.process.kill()

    def has_sent(self) -> None:
        """The moment after a result is in its queue."""
        cloud = self.cloud
        if cloud.world.chance.random() < cloud.habits.killed_after_send and cloud.may_kill():
            cloud.count("killed after send")
            assert self.invocation is not None
            self._kill(self.invocation)

    def _ended(self) -> None:
        self.cloud.idle = [one for one in self.cloud.idle if one is not self]
        self._done("the environment ended")

    def _done(self, failure: str) -> None:
        invocation, self.invocation = self.invocation, None
        if invocation is not None and self in self.cloud.running:
            self.cloud.finished(self, invocation, failure)

    def get_remaining_time_in_millis(self) -> int:
        return max(0, (self.deadline_ns - self.cloud.world.now_ns) // 1_000_000)

    @property
    def aws_request_id(self) -> str:
        assert self.invocation is not None
        return self.invocation.request_id

    def _main(self) -> int:
        try:
            module = self.cloud.realm.fresh("handler")
        except Exception as failure:
            self.cloud.world.note(f"init failed: {failure!r}")
            return 1
        while True:
            while self.invocation is None:
                self._waiting = current()
                wait()
                self._waiting = None
            self.cloud.world.note(f"invoke {self.aws_request_id[:8]}")
            event = json.loads(json.dumps(self.invocation.event))
            try:
                json.dumps(module.handler(event, self))
                failure = ""
            except Exception as raised:
                failure = f"{type(raised).__name__}: {raised}"
            self._done(failure)


@dataclass(frozen=True)
class _Context:
    """What the platform tells a function of its time."""

    world: World
    deadline_ns: int
    aws_request_id: str

    def get_remaining_time_in_millis(self) -> int:
        return max(0, (self.deadline_ns - self.world.now_ns) // 1_000_000)


def _key(key: dict[str, Any]) -> str:
    ((_, value),) = key.items()
    return next(iter(value.values()))


def _values(wanted: str, old: Any, new: Any) -> dict[str, Any]:
    if wanted == "ALL_OLD" and old:
        return {"Attributes": dict(old)}
    return {"Attributes": dict(new)} if wanted == "ALL_NEW" else {}


_OK = {"HTTPStatusCode": 200, "HTTPHeaders": {}}
