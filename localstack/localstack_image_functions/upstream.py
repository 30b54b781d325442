"""What has to be different inside LocalStack 4.13.1 itself, and why. Applied once each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from localstack_image_functions.errors import ImageFunctionsError

if TYPE_CHECKING:
    from localstack.services.lambda_.invocation.lambda_models import ImageCode


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
