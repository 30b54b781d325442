"""Code and layers together are as large, unpacked, as Lambda allows, or refused at once.

LocalStack looks at each of them alone.
"""

from __future__ import annotations

import contextlib
import io
import tempfile
import zipfile
from collections.abc import Callable, Mapping, Sequence
from typing import IO, TYPE_CHECKING, Any

from botocore.exceptions import ClientError
from localstack.aws.connect import connect_to
from localstack.config import LAMBDA_LIMITS_CODE_SIZE_UNZIPPED

from localstack_image_functions.bounds.functions import refused

if TYPE_CHECKING:
    from localstack.aws.api import RequestContext
    from localstack.services.lambda_.invocation.lambda_models import S3Code


def _create(context: RequestContext, request: Mapping[str, Any]) -> None:
    if request.get("Layers"):
        code = _sent(context, request.get("Code") or {})
        _check(code, _codes_of(request["Layers"]))


def _update_code(context: RequestContext, request: Mapping[str, Any]) -> None:
    now = _configuration(context, request["FunctionName"])
    if now and now.layers:
        _check(_sent(context, request), [layer.code for layer in now.layers])


def _update_configuration(context: RequestContext, request: Mapping[str, Any]) -> None:
    now = _configuration(context, request["FunctionName"])
    if now and now.code and request.get("Layers"):
        _check(_size(now.code), _codes_of(request["Layers"]))


def _check(code: int, layers: Sequence[S3Code]) -> None:
    size, limit = code + sum(map(_size, layers)), LAMBDA_LIMITS_CODE_SIZE_UNZIPPED
    if code and size > limit:
        raise refused(
            f"Function code combined with layers exceeds the maximum allowed size of {limit} "
            f"bytes. The actual size is {size} bytes."
        )


def _configuration(context: RequestContext, name: str) -> Any:
    """That of $LATEST; None where there is no such function."""
    from localstack.services.lambda_ import api_utils
    from localstack.services.lambda_.invocation.models import lambda_stores

    account, region = api_utils.get_account_and_region(name, context)
    plain, _ = api_utils.get_name_and_qualifier(name, None, context)
    function = lambda_stores[account][region].functions.get(plain)
    return function.latest().config if function else None


def _codes_of(arns: Sequence[str]) -> list[S3Code]:
    """Those that are there: the provider refuses the others."""
    from localstack.services.lambda_ import api_utils
    from localstack.services.lambda_.invocation.models import lambda_stores

    found = []
    for arn in filter(api_utils.is_layer_arn, arns):
        region, account, name, number = api_utils.parse_layer_arn(arn)
        layer = lambda_stores[account][region].layers.get(name)
        version = layer.layer_versions.get(number or "") if layer else None
        if version:
            found.append(version.code)
    return found


def _sent(context: RequestContext, code: Mapping[str, Any]) -> int:
    """The size of what comes with a request or is named by it; 0 where it can't be read."""
    if code.get("ZipFile"):
        return _unpacked(io.BytesIO(code["ZipFile"]))
    place = {
        name: code[f"S3{given}"]
        for name, given in (("Bucket", "Bucket"), ("Key", "Key"), ("VersionId", "ObjectVersion"))
        if code.get(f"S3{given}")
    }
    if not {"Bucket", "Key"} <= place.keys():
        return 0
    client = connect_to(aws_access_key_id=context.account_id, region_name=context.region).s3
    with contextlib.suppress(ClientError):
        return _unpacked(io.BytesIO(client.get_object(**place)["Body"].read()))
    return 0


_sizes: dict[str, int] = {}
"""By the name of what is stored, which never changes."""


def _size(code: S3Code) -> int:
    if code.id not in _sizes:
        with tempfile.TemporaryFile() as target:
            code._download_archive_to_file(target)
            _sizes[code.id] = _unpacked(target)
    return _sizes[code.id]


def _unpacked(archive: IO[bytes]) -> int:
    """As the archive's directory tells it; 0 where it is none."""
    try:
        with zipfile.ZipFile(archive) as read:
            return sum(entry.file_size for entry in read.infolist())
    except zipfile.BadZipFile:
        return 0


CHECKS_OF_WHAT_IS_THERE: Mapping[str, Callable[[RequestContext, Any], None]] = {
    "CreateFunction": _create,
    "UpdateFunctionCode": _update_code,
    "UpdateFunctionConfiguration": _update_configuration,
}
