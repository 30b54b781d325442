"""What has to be different inside LocalStack 4.13.1 itself, and why. Applied once, on load."""

from __future__ import annotations

from localstack.aws.api.lambda_ import InvalidParameterValueException
from localstack.services.lambda_ import provider
from localstack.services.lambda_.invocation.lambda_models import ImageCode

from localstack_image_functions import images
from localstack_image_functions.errors import ImageFunctionsError


def apply() -> None:
    # LocalStack would ask a Docker daemon to pull from the real amazonaws.com, and let the
    # function become Active whatever came of it.
    provider.create_image_code = create_image_code


def create_image_code(image_uri: str) -> ImageCode:
    """The code of CreateFunction and UpdateFunctionCode; refuses what is not in ECR."""
    from localstack_image_functions.executor import ImageExecutor

    try:
        digest = ImageExecutor.backend.resolve_image(image_uri)
        ImageExecutor.backend.check_image(digest, image_uri)
    except ImageFunctionsError as error:
        raise InvalidParameterValueException(str(error), Type="User") from error
    return images.image_code(image_uri, digest)
