"""Forms of S3's answers that LocalStack's serializer does not have."""

from __future__ import annotations

from typing import Any

from localstack.aws.protocol.serializer import S3ResponseSerializer
from localstack.aws.skeleton import Skeleton
from localstack.http import Response

from localstack_image_functions.s3.refusals import NotModified

_WITHOUT_NAMESPACE = "PostResponse"


def serialize_as_documented() -> None:
    """Answer a 304 without a body, with what names the object; a form's answer has no namespace."""
    original = Skeleton.on_service_exception
    traits = S3ResponseSerializer._prepare_additional_traits_in_xml

    def on_service_exception(self: Skeleton, serializer: Any, context: Any, exception: Any) -> Any:
        answered = original(self, serializer, context, exception)
        if not isinstance(exception, NotModified):
            return answered
        kept = {k: v for k, v in answered.headers.items() if k.lower().startswith("x-amz-")}
        return Response(status=exception.status_code, headers={**kept, **exception.headers})

    def prepare(self: S3ResponseSerializer, root: Any, request_id: str) -> None:
        traits(self, root, request_id)
        if root.tag == _WITHOUT_NAMESPACE:
            del root.attrib["xmlns"]

    Skeleton.on_service_exception = on_service_exception
    S3ResponseSerializer._prepare_additional_traits_in_xml = prepare
