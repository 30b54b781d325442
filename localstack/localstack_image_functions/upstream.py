"""What has to be different inside LocalStack 4.13.1 itself, and why. Applied once each."""

from __future__ import annotations

import functools
import hashlib
import importlib
import sys
import threading
import uuid
from typing import TYPE_CHECKING, Any

from localstack_image_functions.errors import ImageFunctionsError

if TYPE_CHECKING:
    from localstack.services.lambda_.invocation.lambda_models import ImageCode


def keep_files_in_own_folder() -> None:
    """Let several emulators live on one machine: nothing of theirs lies in a shared place.

    S3 keeps objects in a fixed folder of the machine (see `providers.s3`), and code of zip
    functions, uploads and parts go to the system's temporary folder under names that two
    emulators may both choose.
    """
    import tempfile

    from localstack import config
    from localstack_image_functions.providers import OWN_FOLDER

    config.SERVICE_PROVIDER_CONFIG.set_provider_if_not_exists("s3", OWN_FOLDER)
    tempfile.tempdir = config.dirs.tmp


def call_in_memory() -> None:
    """Let services call each other without HTTP, whatever IN_MEMORY_CLIENT says.

    State comes back before the gateway listens, and an event source mapping that comes back
    calls STS and SQS: over HTTP the emulator would end there, at every start.
    """
    from localstack.aws.client import botocore_in_memory_endpoint_patch

    from localstack import config

    if not config.IN_MEMORY_CLIENT:
        config.IN_MEMORY_CLIENT = True
        botocore_in_memory_endpoint_patch.apply()


def count_in_memory() -> None:
    """Let functions and queues be counted without a request for each figure (see `metrics`)."""
    from localstack.utils.bootstrap import is_api_enabled

    from localstack import config
    from localstack_image_functions.metrics import PROVIDER

    if not is_api_enabled("cloudwatch"):
        return
    from localstack_image_functions.metrics.functions import count_invocations
    from localstack_image_functions.metrics.queues import count_messages

    config.SERVICE_PROVIDER_CONFIG.set_provider_if_not_exists("cloudwatch", PROVIDER)
    count_messages()
    count_invocations()


def read_streams_of_tables() -> None:
    """Let streams of moto's tables be read, without the Kinesis that LocalStack makes of them."""
    from localstack.utils import bootstrap

    from localstack import config
    from localstack_image_functions.streams import MOTO

    if config.SERVICE_PROVIDER_CONFIG.get_provider("dynamodb") == MOTO:
        config.SERVICE_PROVIDER_CONFIG.set_provider_if_not_exists("dynamodbstreams", MOTO)
        bootstrap.API_DEPENDENCIES["dynamodbstreams"] = []
        bootstrap.get_enabled_apis.cache_clear()


def answer_about_logs() -> None:
    """Let logs be filtered and queried (see `logs.provider`)."""
    from localstack import config
    from localstack_image_functions.logs import ANSWERING

    config.SERVICE_PROVIDER_CONFIG.set_provider_if_not_exists("logs", ANSWERING)


def count_loops_through_topics() -> None:
    """Let loops of functions through SNS end (see `recursion`), once SNS is used."""
    from localstack import config
    from localstack_image_functions.providers import COUNTING_LOOPS

    config.SERVICE_PROVIDER_CONFIG.set_provider_if_not_exists("sns", COUNTING_LOOPS)


def say_how_to_switch_on(setting: str) -> None:
    """Let an API that is off say so, and by which setting it is switched on.

    LocalStack answers that it has "not yet been emulated", and of one that it lacks it speaks of
    a license.
    """
    from localstack.aws.api import CommonServiceException
    from localstack.aws.handlers.service_plugin import ServiceLoader
    from localstack.utils.bootstrap import is_api_enabled

    original = ServiceLoader.require_service

    def require_service(self: ServiceLoader, chain: Any, context: Any, response: Any) -> None:
        name = context.service.service_name if context.service else None
        if name and not self.service_manager.exists(name):
            raise NotImplementedError(_not_emulated(name))
        if name and not is_api_enabled(name):
            raise CommonServiceException(
                "ServiceDisabled",
                f"{name} is switched off in this emulator: start it again with {setting}={name}",
                status_code=501,
            )
        original(self, chain, context, response)

    ServiceLoader.require_service = require_service


def say_what_is_not_emulated() -> None:
    """Let an operation that nobody wrote say its name; LocalStack speaks of a license.

    What is no operation at all, or can't be read, is no failure of the emulator's, as LocalStack
    takes it for.
    """
    from localstack.aws.api import CommonServiceException
    from localstack.aws.handlers.service import ServiceExceptionSerializer
    from localstack.aws.protocol.parser import OperationNotFoundParserError, RequestParserError
    from localstack.aws.protocol.serializer import create_serializer
    from localstack.aws.skeleton import Skeleton

    original = Skeleton.on_not_implemented_error

    def on_not_implemented_error(
        self: Skeleton, serializer: Any, context: Any, exception: NotImplementedError
    ) -> Any:
        service, operation = context.service.service_name, context.operation.name
        told = NotImplementedError(_not_emulated(f"{service} {operation}"))
        return original(self, serializer, context, told)

    respond = ServiceExceptionSerializer.create_exception_response

    def create_exception_response(
        self: ServiceExceptionSerializer, exception: Exception, context: Any
    ) -> Any:
        if isinstance(exception, OperationNotFoundParserError):
            code, status = "UnknownOperationException", 404
        elif isinstance(exception, RequestParserError):
            status = 400
            code = UNREADABLE.get(context.service.service_name, "SerializationException")
        else:
            return respond(self, exception, context)
        # Of a class of this name: what SQS answers in JSON is called as its class is.
        kind: type[CommonServiceException] = type(code, (CommonServiceException,), {})
        context.service_exception = kind(
            code, str(exception), status_code=status, sender_fault=True
        )
        # Errors are written in the form of an operation, whichever.
        any_operation = context.service.operation_model(context.service.operation_names[0])
        serializer = create_serializer(context.service, context.protocol)
        return serializer.serialize_error_to_response(
            context.service_exception, any_operation, context.request.headers, context.request_id
        )

    Skeleton.on_not_implemented_error = on_not_implemented_error
    ServiceExceptionSerializer.create_exception_response = create_exception_response


def _not_emulated(what: str) -> str:
    return f"{what} is not emulated: do without it here, or run this part on AWS"


UNREADABLE = {"s3": "MalformedXML", "lambda": "InvalidRequestContentException"}
"""What services call a body that can't be read."""
DATA_OPERATIONS = {
    "s3": {"GetObject", "PutObject", "HeadObject"},
    "sqs": {"SendMessage", "ReceiveMessage", "DeleteMessage", "GetQueueUrl"},
    "dynamodb": {"GetItem", "PutItem", "UpdateItem", "BatchGetItem", "Query"},
    "lambda": {"Invoke"},
    "logs": {"PutLogEvents"},
}
"""What goes on all the time; a line for each that succeeds costs a twentieth of the emulator."""


def log_what_changes_or_fails() -> None:
    """Let no line be logged of data that comes and goes as it should, unless DEBUG is on."""
    from localstack.aws.handlers.logging import ResponseLogger

    from localstack import config

    original = ResponseLogger._log

    def log(self: ResponseLogger, context: Any, response: Any) -> None:
        operation = context.operation.name if context.operation else None
        name = context.service.service_name if operation else ""
        if operation in DATA_OPERATIONS.get(name, ()) and response.status_code < 400:
            return
        original(self, context, response)

    if not config.DEBUG:
        ResponseLogger._log = log


def give_back_what_nobody_receives() -> None:
    """Let no long poll of a client that has gone swallow a message (see `long_polls`)."""
    from localstack.services.sqs.models import FifoQueue, StandardQueue
    from localstack.services.sqs.provider import SqsProvider

    from localstack_image_functions import long_polls

    receive_message = SqsProvider.receive_message

    @functools.wraps(receive_message)
    def receive(self: Any, context: Any, *arguments: Any, **options: Any) -> Any:
        gone = long_polls.is_gone(context.request.environ) if context.request else None
        with long_polls.poll_of(gone):
            return receive_message(self, context, *arguments, **options)

    SqsProvider.receive_message = receive
    StandardQueue.receive = long_polls.giving_back(StandardQueue.receive)
    FifoQueue.receive = long_polls.giving_back(FifoQueue.receive)


def load_services_in_older_pythons() -> None:
    """Let Step Functions, Kinesis and others with programs of their own load before Python 3.13.

    Until then `threading.Lock` is a function, and the annotation `Lock | None` of LocalStack's
    packages an error: each request to them was an `InternalError`.
    """
    make_lock = threading.Lock
    if isinstance(make_lock, type):
        return

    class Lock:
        def __new__(cls) -> Any:
            return make_lock()

    threading.Lock = Lock
    try:
        importlib.import_module("localstack.packages.api")
    finally:
        threading.Lock = make_lock


def name_bytes_in_older_pythons() -> None:
    """Let KMS make keys before Python 3.12, whose `uuid5` takes bytes, too; until then CreateKey
    was an `InternalError`."""
    if sys.version_info >= (3, 12):
        return
    original = uuid.uuid5

    @functools.wraps(original)
    def uuid5(namespace: uuid.UUID, name: Any) -> uuid.UUID:
        if isinstance(name, str):
            return original(namespace, name)
        named = hashlib.sha1(namespace.bytes + name, usedforsecurity=False).digest()
        return uuid.UUID(bytes=named[:16], version=5)

    uuid.uuid5 = uuid5


def look_for_operations_once() -> None:
    """Let moto look through a service's class for its operations once: it does in each call, a
    twentieth of what reading an item costs."""
    from moto.core import responses

    responses.method_names_from_class = functools.cache(responses.method_names_from_class)


QUIET_HEADER = "x-image-functions-quiet"


def let_writes_be_quiet() -> None:
    """Let a request to S3 with the header above notify nobody.

    Whoever puts back what was there before does not want it to be taken for news.
    """
    from localstack.services.s3.provider import S3Provider

    original = S3Provider._notify

    def notify(self: S3Provider, context: Any, *args: Any, **kwargs: Any) -> None:
        if QUIET_HEADER not in context.request.headers:
            original(self, context, *args, **kwargs)

    S3Provider._notify = notify


def resolve_images_through_ecr() -> None:
    """Let CreateFunction and UpdateFunctionCode take images from the emulated ECR.

    LocalStack would ask a Docker daemon to pull from the real amazonaws.com, and let the
    function become Active whatever came of it.
    """
    from localstack.services.lambda_ import provider

    provider.create_image_code = create_image_code


def queue_events_instead_of_throttling() -> None:
    """Let asynchronous events wait for a free environment, and survive an update in time.

    LocalStack takes events off the queue faster than they may run. Those over the
    concurrency limit are throttled and come back after 2, 4, 8 … seconds: where a laptop's
    limit is a few, one cold start delays an event by half a minute, on AWS with its limit of
    1000 by none. Those that wait in a thread pool for longer than the function's timeout plus
    a minute run twice. And what the poller receives while an update stops it stays hidden
    for as long.
    """
    from localstack.services.lambda_.invocation import event_manager

    from localstack_image_functions.async_events import Poller, event_queues

    event_manager.Poller = Poller
    event_manager.get_sqs_client = event_queues


def iterate_over_environments_safely() -> None:
    """Let concurrent first invocations not fail with "dictionary changed size".

    LocalStack looks for a free environment in a dictionary that other threads add to.
    """
    from localstack.services.lambda_.invocation.assignment import AssignmentService

    original = AssignmentService.get_environment
    guard = threading.Lock()

    def get_environment(
        self: AssignmentService, version_manager_id: str, *args: Any, **kwargs: Any
    ) -> Any:
        with guard:
            known = self.environments[version_manager_id]
            if not isinstance(known, _SnapshotDict):
                self.environments[version_manager_id] = _SnapshotDict(known)
        return original(self, version_manager_id, *args, **kwargs)

    AssignmentService.get_environment = get_environment


class _SnapshotDict(dict):
    """A dictionary whose values can be walked through while others change it: a list of them, not
    dict's view."""

    def values(self) -> list[Any]:  # type: ignore[override]
        return list(super().values())


def delete_what_never_started() -> None:
    """Let a function whose start failed be deleted without an error.

    It has no version manager any more, which DeleteFunction answers with InternalError after the
    function is gone: its code stays on the disk, and a stack's deletion fails.
    """
    from localstack.services.lambda_.invocation.lambda_service import LambdaService

    original = LambdaService.stop_version

    def stop_version(self: LambdaService, qualified_arn: str) -> None:
        known = (self.lambda_running_versions, self.lambda_starting_versions)
        if any(qualified_arn in versions for versions in known):
            original(self, qualified_arn)

    LambdaService.stop_version = stop_version


def create_image_code(image_uri: str) -> ImageCode:
    """A function's code, or the refusal that AWS gives for an image that is not there.

    Raises
    ------
    InvalidParameterValueException
        When there is no such image, or none that can run here.
    """
    from localstack.aws.api.lambda_ import InvalidParameterValueException

    from localstack_image_functions.executor import ImageExecutor
    from localstack_image_functions.images import image_code

    try:
        digest = ImageExecutor.backend.resolve_image(image_uri)
        ImageExecutor.backend.check_image(digest, image_uri)
    except ImageFunctionsError as error:
        raise InvalidParameterValueException(str(error), Type="User") from error
    return image_code(image_uri, digest)
