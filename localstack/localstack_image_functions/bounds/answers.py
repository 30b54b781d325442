"""Answers of LocalStack's own providers that AWS documents otherwise."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import functools
import hashlib
import io
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any
from urllib.parse import quote_plus

from localstack_image_functions import mapping_ends
from localstack_image_functions.bounds import layers
from localstack_image_functions.bounds.functions import check_payload, refused
from localstack_image_functions.errors import ImageFunctionsError
from localstack_image_functions.image_uris import is_of_region
from localstack_image_functions.operations import mended
from localstack_image_functions.s3.sequencers import tell_which_event_came_later

READY_S = 2.0


def answer_as_documented() -> None:
    """Mend SQS's batches, keys and sequencers of S3's events and what Lambda says of functions."""
    from localstack.services.lambda_.invocation.lambda_service import LambdaService
    from localstack.services.lambda_.provider import LambdaProvider
    from localstack.services.s3 import notifications
    from localstack.services.sqs.models import FifoQueue
    from localstack.services.sqs.provider import SqsProvider

    # Of a key that has a space: "red+flower.jpg".
    notifications.quote = functools.partial(quote_plus, safe="/")
    tell_which_event_came_later()
    FifoQueue.put = _by_group(FifoQueue.put)
    for name in ("send_message_batch", "delete_message_batch", "change_message_visibility_batch"):
        setattr(SqsProvider, name, _blaming_the_sender(getattr(SqsProvider, name)))
    LambdaService.create_function_version = _waiting_for_code(LambdaService.create_function_version)
    layers.guard_layers()
    for name, mend in {**_FUNCTIONS, **layers.MENDED, **mapping_ends.MENDED}.items():
        setattr(LambdaProvider, name, mended(getattr(LambdaProvider, name), mend))


def _waiting_for_code(create: Callable[..., Future[None]]) -> Callable[..., Future[None]]:
    """AWS takes longer to answer than to unpack a zip file: the next request finds it ready."""

    @functools.wraps(create)
    def made(service: Any, function_version: Any) -> Future[None]:
        future = create(service, function_version)
        if function_version.config.package_type == "Zip":
            concurrent.futures.wait([future], timeout=READY_S)
        return future

    return made


def _by_group(put: Callable[..., Any]) -> Callable[..., Any]:
    """Where messages are the same within a group only, LocalStack knows the last group's alone."""

    @functools.wraps(put)
    def message_put(queue: Any, message: Any, *arguments: Any, **options: Any) -> Any:
        group = options.get("message_group_id")
        if queue.deduplication_scope != "messageGroup" or not group:
            return put(queue, message, *arguments, **options)
        known = queue.deduplication
        name = options.get("message_deduplication_id") or _digest(message.get("Body") or "")
        own = f"{group}\n{name}"
        with queue.mutex:
            if own in known:
                known[name] = known[own]
            kept = put(queue, message, *arguments, **options)
            if name in known:
                known[own] = known[name]
        return kept

    return message_put


def _digest(body: str) -> str:
    return hashlib.sha256(body.encode()).hexdigest()


def _blaming_the_sender(batch: Callable[..., Any]) -> Callable[..., Any]:
    """What fails in a batch was sent wrong, unless the service itself failed."""

    @functools.wraps(batch)
    def answer(*arguments: Any, **options: Any) -> Any:
        answered = batch(*arguments, **options)
        for failed in answered.get("Failed") or ():
            failed["SenderFault"] = failed.get("Code") != "InternalError"
        return answered

    return answer


def _create_function(self: Any, original: Any, context: Any, request: Any) -> Any:
    image = (request.get("Code") or {}).get("ImageUri")
    if image:
        _check_source(context, image, request.get("Architectures") or ["x86_64"])
    return original(self, context, request)


def _update_code(self: Any, original: Any, context: Any, request: Any) -> Any:
    image, function = request.get("ImageUri"), _function(context, request["FunctionName"])
    if image and function:
        kept = function.latest().config.architectures
        _check_source(context, image, request.get("Architectures") or kept)
    return original(self, context, request)


def _check_source(context: Any, image: str, architectures: list[str]) -> None:
    """Refuse an image of another region or architecture; whether there is one is asked later."""
    from localstack_image_functions.executor import ImageExecutor

    if not is_of_region(image, context.region):
        raise refused(
            f"Source image {image} is not valid. Provide a valid source image: of the function's "
            f"region, {context.region}."
        )
    backend = ImageExecutor.backend
    try:
        found = backend.architecture(backend.resolve_image(image), image)
    except ImageFunctionsError:
        return
    if found not in architectures:
        raise refused(
            f"The image {image} was built for {found}, the function is for "
            f"{', '.join(architectures)}: build it for that, or say so in Architectures."
        )


def _invoke(self: Any, original: Any, context: Any, *arguments: Any, **options: Any) -> Any:
    stream = options.get("payload")
    if stream:
        payload = stream.read()
        check_payload(payload, options.get("invocation_type"))
        options["payload"] = io.BytesIO(payload)
    return original(self, context, *arguments, **options)


def _get_function(self: Any, original: Any, context: Any, *arguments: Any, **options: Any) -> Any:
    answered = original(self, context, *arguments, **options)
    if not answered.get("Concurrency"):
        name = answered["Configuration"]["FunctionArn"]
        reserved = _function(context, name).reserved_concurrent_executions
        if reserved is not None:  # none at all may be reserved
            answered["Concurrency"] = {"ReservedConcurrentExecutions": reserved}
    return answered


def _configuration(self: Any, _original: Any, context: Any, *arguments: Any, **options: Any) -> Any:
    """An alias's version, too."""
    return self.get_function(context, *arguments, **options)["Configuration"]


def _delete_function(
    self: Any,
    original: Any,
    context: Any,
    function_name: str,
    qualifier: str | None = None,
    **options: Any,
) -> Any:
    from localstack.aws.api.lambda_ import ResourceConflictException
    from localstack.services.lambda_ import api_utils

    _, version = api_utils.get_name_and_qualifier(function_name, qualifier, context)
    is_number = bool(version) and version != "$LATEST"
    function = _function(context, function_name) if is_number else None
    named_by = [
        alias.name
        for alias in (function.aliases.values() if function else ())
        if version == alias.function_version
        or version in (getattr(alias.routing_configuration, "version_weights", None) or ())
    ]
    if named_by:
        raise ResourceConflictException(
            f"Version was not able to be deleted because it is referenced by the aliases: "
            f"{', '.join(named_by)}",
            Type="User",
        )
    return original(self, context, function_name, qualifier, **options)


def _delete_concurrency(
    self: Any, original: Any, context: Any, function_name: str, **options: Any
) -> Any:
    self.get_function_concurrency(context, function_name)  # refuses where there is no function
    return original(self, context, function_name, **options)


def _update_alias(self: Any, original: Any, context: Any, **options: Any) -> Any:
    """With weights, where LocalStack's own fails."""
    weights = (options.get("routing_config") or {}).get("AdditionalVersionWeights")
    function = _function(context, options["function_name"])
    alias = function.aliases.get(options["name"]) if function and weights else None
    if alias is None:
        return original(self, context, **options)
    number = options.get("function_version") or alias.function_version
    version = function.versions.get(number)
    routing = self._create_routing_config_model(weights, version) if version else None
    original(self, context, **{**options, "routing_config": None})
    function.aliases[alias.name] = dataclasses.replace(
        function.aliases[alias.name], routing_configuration=routing
    )
    return self.get_alias(context, function_name=options["function_name"], name=alias.name)


def _routing(self: Any, original: Any, weights: dict[str, float], version: Any) -> Any:
    """All that an alias gets may go to its second version; LocalStack refuses a weight of 1."""
    below = {number: 0.5 if weight == 1 else weight for number, weight in weights.items()}
    return dataclasses.replace(original(self, below, version), version_weights=weights)


def _url(self: Any, original: Any, context: Any, function_name: str, **options: Any) -> Any:
    """Of a function, whose name may say that it is $LATEST, or of an alias; of no version."""
    plain, _, version = function_name.rpartition(":")
    if version.isdecimal() and plain and not plain.endswith(":function"):
        raise refused(f"The function URL of the version {version} can't be: aliases have URLs.")
    name = plain if version == "$LATEST" else function_name
    answered = original(self, context, function_name=name, **options)
    if answered:
        answered["InvokeMode"] = answered.get("InvokeMode") or "BUFFERED"
    return answered


def _url_changed(self: Any, original: Any, context: Any, function_name: str, **options: Any) -> Any:
    """Under the address that the others tell."""
    answered = _url(self, original, context, function_name, **options)
    told = self.get_function_url_config(
        context, function_name=function_name, qualifier=options.get("qualifier")
    )
    return {**answered, "FunctionUrl": told["FunctionUrl"]}


def _function(context: Any, name: str) -> Any:
    from localstack.services.lambda_ import api_utils
    from localstack.services.lambda_.invocation.models import lambda_stores

    account, region = api_utils.get_account_and_region(name, context)
    plain, _ = api_utils.get_name_and_qualifier(name, None, context)
    return lambda_stores[account][region].functions.get(plain)


_FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "_create_routing_config_model": _routing,
    "create_function": _create_function,
    "create_function_url_config": _url,
    "delete_function": _delete_function,
    "delete_function_concurrency": _delete_concurrency,
    "delete_function_url_config": _url,
    "get_function": _get_function,
    "get_function_configuration": _configuration,
    "get_function_url_config": _url,
    "invoke": _invoke,
    "update_alias": _update_alias,
    "update_function_code": _update_code,
    "update_function_url_config": _url_changed,
}
