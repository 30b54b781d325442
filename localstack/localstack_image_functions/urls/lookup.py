"""Which function a URL's id belongs to, and where it is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from localstack_image_functions.gateway.rules import FUNCTION_URL, URL_PREFIX

if TYPE_CHECKING:
    from localstack.services.lambda_.invocation.lambda_models import FunctionUrlConfig


def find_url(url_id: str) -> FunctionUrlConfig | None:
    """The URL with this id, of a function of any account and region."""
    return next((one for one in _url_configs() if one.url_id.lower() == url_id.lower()), None)


def address_of(url_id: str, region: str, host: str, form: str) -> str:
    """The address that is told of a URL; `form` is one of `settings.URL_FORMS`."""
    if form == "name":
        return f"http://{url_id}.{FUNCTION_URL}.{region}.{host}/"
    return f"http://{host}{URL_PREFIX}{url_id}/"


def _url_configs() -> Iterator[FunctionUrlConfig]:
    # Lambda's service is loaded by its first call; the gateway asks before.
    from localstack.services.lambda_.invocation.models import lambda_stores

    for regions in list(lambda_stores.values()):
        for store in list(regions.values()):
            for function in list(store.functions.values()):
                yield from list(function.function_url_configs.values())
