"""What has to be different inside LocalStack 4.13.1 itself, and why. Applied once each."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from localstack_image_functions.errors import ImageFunctionsError

if TYPE_CHECKING:
    from localstack.services.lambda_.invocation.lambda_models import ImageCode

MAX_EVENT_THREADS = 32


def wake_hypercorn_on_shutdown() -> None:
    """Let an emulator with GATEWAY_SERVER=hypercorn end when it is told to.

    Its shutdown stops the event loop from another thread without waking it: the process
    then hangs until the next request, often for good.
    """
    from localstack.runtime.server.hypercorn import HypercornRuntimeServer

    original = HypercornRuntimeServer.shutdown

    def shutdown(self: HypercornRuntimeServer) -> None:
        original(self)
        self.loop.call_soon_threadsafe(lambda: None)

    HypercornRuntimeServer.shutdown = shutdown  # type: ignore[method-assign]


def queue_events_instead_of_throttling() -> None:
    """Let asynchronous events wait for a free environment, in their order.

    LocalStack hands events to more threads than environments may run. Those over the limit
    are throttled and come back after 2, 4, 8 … seconds: where a laptop's limit is a few, one
    cold start delays a clip by half a minute, on AWS with its limit of 1000 by none.
    """
    from localstack.services.lambda_.invocation.event_manager import Poller

    from localstack import config

    original = Poller.__init__

    def init(self: Poller, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        reserved = self.version_manager.function.reserved_concurrent_executions
        limit = config.LAMBDA_LIMITS_CONCURRENT_EXECUTIONS if reserved is None else reserved
        self.invoker_pool = ThreadPoolExecutor(
            max_workers=max(1, min(limit, MAX_EVENT_THREADS)), thread_name_prefix="lambda-events"
        )

    Poller.__init__ = init  # type: ignore[method-assign]


def resolve_images_through_ecr() -> None:
    """Let CreateFunction and UpdateFunctionCode take images from the emulated ECR.

    LocalStack would ask a Docker daemon to pull from the real amazonaws.com, and let the
    function become Active whatever came of it.
    """
    from localstack.services.lambda_ import provider

    provider.create_image_code = create_image_code


def create_image_code(image_uri: str) -> ImageCode:
    """A function's code, or the refusal that AWS gives for an image that is not there."""
    from localstack.aws.api.lambda_ import InvalidParameterValueException

    from localstack_image_functions.executor import ImageExecutor
    from localstack_image_functions.images import image_code

    try:
        digest = ImageExecutor.backend.resolve_image(image_uri)
        ImageExecutor.backend.check_image(digest, image_uri)
    except ImageFunctionsError as error:
        raise InvalidParameterValueException(str(error), Type="User") from error
    return image_code(image_uri, digest)
