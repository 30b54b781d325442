"""SQS where LocalStack's answers are not those that AWS's pages describe."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any

from localstack_image_functions.long_polls import CLIENT_GONE

_ACCOUNT = re.compile(r"\d{12}")
_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-\d+")

Location = tuple[str, str | None, str]


def answer_as_documented() -> None:
    """Let queues have the address that was asked for, and messages come at their time."""
    from localstack.aws.api.sqs import ResourceNotFoundException
    from localstack.services.sqs import provider
    from localstack.services.sqs.models import FifoQueue, SqsQueue, StandardQueue

    ResourceNotFoundException.status_code = 404  # as in the service's model
    # Kept, as it is asked for by every request.
    provider.parse_queue_url = functools.lru_cache(1024)(_checked(provider.parse_queue_url))
    SqsQueue.url = _as_asked(SqsQueue.url)
    StandardQueue.receive = _on_time(StandardQueue.receive)
    FifoQueue.receive = _on_time(FifoQueue.receive)


def _checked(parse: Callable[[str], Location]) -> Callable[[str], Location]:
    """LocalStack fails at the URL of another service, which is InvalidAddress."""
    from localstack.aws.api.sqs import InvalidAddress

    def parse_queue_url(queue_url: str) -> Location:
        account, region, name = parse(queue_url)
        if not _ACCOUNT.fullmatch(account) or (region and not _REGION.fullmatch(region)):
            raise InvalidAddress(f"The address {queue_url} is not valid for this endpoint.")
        return account, region, name

    return parse_queue_url


def _as_asked(url: Callable[[Any, Any], str]) -> Callable[[Any, Any], str]:
    """A client's own name for this emulator: functions in containers, and devices elsewhere, do not
    know it as the setting's. LocalStack's own requests do not come through the gateway."""
    import localstack.config as config

    def url_for(queue: Any, context: Any) -> str:
        request = context.request
        if config.SQS_ENDPOINT_STRATEGY != "path" or not (
            request and request.host and CLIENT_GONE in request.environ
        ):
            return url(queue, context)
        place = f"{request.scheme}://{request.host}/queue/{queue.region}"
        return f"{place}/{queue.account_id}/{queue.name}"

    return url_for


def _on_time(receive: Callable[..., Any]) -> Callable[..., Any]:
    """LocalStack looks once a second for messages whose delay or visibility timeout is over."""

    def received(queue: Any, *arguments: Any, **options: Any) -> Any:
        if queue.delayed:
            queue.enqueue_delayed_messages()
        if queue.inflight:
            visible = getattr(queue, "visible", None)
            if visible is None or visible.empty():
                queue.requeue_inflight_messages()
        return receive(queue, *arguments, **options)

    return received
