"""ECR's image operations answered from the registry: `EcrJoin` joined to LocalStack and moto."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from localstack.aws.api import CommonServiceException, RequestContext
from localstack.services.moto import call_moto
from moto.ecr.models import Image, ecr_backends

from localstack_image_functions.container_registry import EcrError, EcrJoin, Manifest, Registry


class RegistryImage(Image):
    """moto's image, with the digest and size that the registry knows."""

    def __init__(self, repository: Any, manifest: Manifest) -> None:
        super().__init__(
            account_id=repository.account_id,
            tag=None,
            manifest=manifest.text,
            repository=repository.name,
            image_manifest_mediatype=manifest.media_type,
            digest=manifest.digest,
        )
        self._size_bytes = manifest.size_bytes

    def get_image_size_in_bytes(self) -> int:
        return self._size_bytes


def registry_operations(registry: Registry) -> dict[str, Callable[..., Any]]:
    """Handlers for a LocalStack skeleton, by operation name."""
    join = EcrJoin(registry, call_moto, _repository, RegistryImage)
    return {name: _translating(handler) for name, handler in join.handlers().items()}


def _repository(context: RequestContext, request: Mapping[str, Any]) -> Any:
    backend = ecr_backends[context.account_id][context.region]
    return backend._get_repository(request["repositoryName"], request.get("registryId"))


def _translating(handler: Callable[..., Any]) -> Callable[..., Any]:
    from moto.core.exceptions import ServiceException

    def handle(context: RequestContext, request: Mapping[str, Any]) -> Any:
        try:
            return handler(context, request)
        except EcrError as error:
            raise CommonServiceException(code=error.code, message=str(error)) from error
        except ServiceException as error:  # moto's own, from outside its request handling
            raise CommonServiceException(
                code=type(error).code or type(error).__name__, message=error.message
            ) from error

    return handle
