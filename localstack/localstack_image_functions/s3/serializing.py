"""Forms of S3's answers that LocalStack's serializer does not have."""

from __future__ import annotations

import functools
from typing import Any

from localstack.aws.protocol.serializer import S3ResponseSerializer
from localstack.aws.skeleton import Skeleton
from localstack.http import Response
from werkzeug.http import remove_entity_headers
from werkzeug.wrappers import response as werkzeug_response

from localstack_image_functions.s3.refusals import NotModified

_WITHOUT_NAMESPACE = "PostResponse"
_KEPT_WITHOUT_A_BODY = ("expires", "content-location", "last-modified")


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

    # Werkzeug takes from a 304 what it counts to the body.
    werkzeug_response.remove_entity_headers = functools.partial(
        remove_entity_headers, allowed=_KEPT_WITHOUT_A_BODY
    )
    Skeleton.on_service_exception = on_service_exception
    S3ResponseSerializer._prepare_additional_traits_in_xml = prepare
