"""AWS services that the open-source LocalStack lacks or needs Java for, served by moto."""

from __future__ import annotations

import hashlib
import threading
from typing import Any

from localstack.aws.api import CommonServiceException, RequestContext
from localstack.aws.skeleton import Skeleton
from localstack.aws.spec import load_service
from localstack.services.moto import MotoFallbackDispatcher, call_moto, call_moto_with_request
from localstack.services.plugins import Service, aws_provider
from moto.ecr.models import ecr_backends

from localstack_image_functions import item_writes, streams, tables
from localstack_image_functions.bounds.images import Handler, documented
from localstack_image_functions.container.registry import registry_from_environment
from localstack_image_functions.item_writes import to_moto
from localstack_image_functions.legacy_conditions import with_projection
from localstack_image_functions.logs import ANSWERING
from localstack_image_functions.metrics import PROVIDER
from localstack_image_functions.process.layers import layer_store, place_of
from localstack_image_functions.projections import has_elements, projected

OWN_FOLDER = "own-folder"
"""Name of the S3 provider below."""
COUNTING_LOOPS = "counting-loops"
"""Name of the SNS provider below."""


@aws_provider(api="s3", name=OWN_FOLDER)
def s3() -> Service:
    """LocalStack's S3 with contents in files, below this emulator's own folder.

    Its default keeps what is small in memory, and the rest in one fixed folder of the machine,
    where emulators delete the objects of each other's buckets of the same name.
    """
    from localstack.services.s3.provider import S3Provider

    from localstack_image_functions.s3.answers import answer_as_documented
    from localstack_image_functions.state.objects import object_store

    answer_as_documented()
    return Service.for_provider(S3Provider(object_store()))


@aws_provider(api="cloudwatch", name=PROVIDER)
def cloudwatch() -> Service:
    """CloudWatch that has percentiles and metric math, and what functions and queues counted."""
    from localstack_image_functions.metrics.provider import CloudwatchProvider

    return Service.for_provider(CloudwatchProvider())


@aws_provider(api="logs", name=ANSWERING)
def logs() -> Service:
    """CloudWatch Logs that honor patterns and queries, or refuse them."""
    from localstack_image_functions.logs.provider import LogsProvider, answer_queries

    answer_queries()
    return Service.for_provider(LogsProvider(), dispatch_table_factory=MotoFallbackDispatcher)


@aws_provider(api="sns", name=COUNTING_LOOPS)
def sns() -> Service:
    """LocalStack's SNS, through which loops of functions end, too."""
    from localstack.services.sns.provider import SnsProvider

    from localstack_image_functions.recursion import carry_through_topics

    carry_through_topics()
    return Service.for_provider(SnsProvider(), dispatch_table_factory=MotoFallbackDispatcher)


@aws_provider()
def ecr() -> Service:
    """ECR: with a registry behind it where there is one, else moto with the bundle store."""
    from localstack_image_functions.container.ecr import on_images, registry_operations

    registry = registry_from_environment()
    if registry is None:
        own: dict[str, Any] = {"PutImage": _put_image} | _layers() | on_images()
        # moto walks through repositories that another request may make or delete.
        return _service("ecr", documented(_one_at_a_time(_moto_table("ecr") | own)))
    return _service("ecr", documented(_moto_table("ecr") | registry_operations(registry)))


@aws_provider(api="dynamodb", name="moto")
def dynamodb() -> Service:
    """DynamoDB by moto, whose expressions are read once."""
    from moto.dynamodb import responses

    from localstack_image_functions.bounds.key_conditions import check_conditions
    from localstack_image_functions.comparing import compare_as_documented
    from localstack_image_functions.expressions import read_expressions_once
    from localstack_image_functions.partiql import answering as partiql

    read_expressions_once()
    compare_as_documented()
    check_conditions()
    tables.describe_all()
    responses.TRANSACTION_MAX_ITEMS = 100  # AWS's since 2022
    own = {**item_writes.OPERATIONS, **tables.OPERATIONS, **partiql.OPERATIONS, "GetItem": _read}
    asked = dict.fromkeys(("BatchGetItem", "Query", "Scan", "TransactGetItems"), to_moto)
    return _service("dynamodb", _moto_table("dynamodb") | asked | own)


@aws_provider(api="dynamodbstreams", name=streams.MOTO)
def dynamodbstreams() -> Service:
    """The streams of those tables."""
    return _service("dynamodbstreams", dict(streams.OPERATIONS))


def _layers() -> dict[str, Handler]:
    """ECR's operations on layers and passwords, where the layers are files of ours."""
    from localstack_image_functions.container.ecr import password_for, repository_of, translating
    from localstack_image_functions.container.layers import Layers

    store = layer_store()
    if store is None:
        return {}

    def token(context: RequestContext, _request: Any) -> Any:
        answer = call_moto(context)
        for data in answer["authorizationData"]:
            data |= password_for(context)
        return answer

    def remade(context: RequestContext, request: Any) -> Any:
        answer = call_moto(context)
        named = answer["repository"]["repositoryName"]
        store.forget(place_of(context.account_id, context.region, named))
        return answer

    operations = Layers(store, repository_of).handlers()
    own = {name: translating(handler) for name, handler in operations.items()}
    return (
        own
        | {"GetAuthorizationToken": token}
        | dict.fromkeys(("CreateRepository", "DeleteRepository"), remade)
    )


def _moto_table(name: str) -> dict[str, Handler]:
    """Every operation of a service, to be answered by moto."""
    return dict.fromkeys(load_service(name).operation_names, _to_moto)


def _one_at_a_time(table: dict[str, Handler]) -> dict[str, Handler]:
    lock = threading.Lock()

    def locked(handler: Handler) -> Handler:
        def handle(context: RequestContext, request: Any) -> Any:
            with lock:
                return handler(context, request)

        return handle

    return {name: locked(handler) for name, handler in table.items()}


def _service(name: str, table: dict[str, Handler]) -> Service:
    return Service(name=name, skeleton=Skeleton(load_service(name), table))


def _to_moto(context: RequestContext, request: Any) -> Any:
    if request is context.service_request:
        return call_moto(context)
    return call_moto_with_request(context, {k: v for k, v in request.items() if v is not None})


def _read(context: RequestContext, request: Any) -> Any:
    if not has_elements(request):
        return to_moto(context, with_projection(request))
    of_projection = ("ProjectionExpression", "ExpressionAttributeNames")
    answered = to_moto(context, {k: v for k, v in request.items() if k not in of_projection})
    expression, names = (request.get(name) for name in of_projection)
    if "Item" in answered:
        answered["Item"] = projected(answered["Item"], expression, names or {})
    return answered


def _put_image(context: RequestContext, request: Any) -> Any:
    """PutImage with the digest that a registry would give: that of the manifest's bytes.

    moto derives its own from the layers, so that the image ECR shows would not be the one
    that runs.
    """
    _check_place(context, request)
    digest = f"sha256:{hashlib.sha256(request['imageManifest'].encode()).hexdigest()}"
    if request.get("imageDigest") not in (None, digest):
        raise CommonServiceException(
            code="ImageDigestDoesNotMatchException",
            message=f"The digest of the image manifest is {digest}, not {request['imageDigest']}",
        )
    return call_moto_with_request(context, {**request, "imageDigest": digest})


def _check_place(context: RequestContext, request: Any) -> None:
    """Refuse what moto fails at: a repository that is not there, a tag that can't be moved."""
    name, tag = request["repositoryName"], request.get("imageTag")
    repository = ecr_backends[context.account_id][context.region].repositories.get(name)
    if repository is None:
        raise CommonServiceException(
            code="RepositoryNotFoundException",
            message=f"The repository with name '{name}' does not exist in the registry with id "
            f"'{context.account_id}'",
        )
    manifest = request["imageManifest"]
    holder = next((image for image in repository.images if tag and tag in image.image_tags), None)
    if holder and repository.is_tag_immutable() and holder.image_manifest != manifest:
        raise CommonServiceException(
            code="ImageTagAlreadyExistsException",
            message=f"The image tag '{tag}' already exists in the '{name}' repository and cannot "
            "be overwritten because the repository is immutable.",
        )
