"""Mends LocalStack's S3 provider, operation by operation."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import quote, urlsplit

from localstack.aws.api import CommonServiceException, ServiceException
from localstack.aws.api.s3 import (
    AccessDenied,
    BadDigest,
    ChecksumType,
    InvalidArgument,
    InvalidRequest,
)
from localstack.services.s3 import provider
from localstack.services.s3.constants import DEFAULT_BUCKET_ENCRYPTION
from localstack.services.s3.provider import S3Provider
from localstack.services.s3.utils import get_s3_checksum
from localstack.services.s3.validation import validate_sse_c

from localstack_image_functions.operations import mended
from localstack_image_functions.s3.conditions import failed_copy
from localstack_image_functions.s3.pages import list_multipart_uploads, list_object_versions
from localstack_image_functions.s3.refusals import (
    check_delete,
    check_read,
    check_write,
    not_accepted,
    one_at_a_time,
)
from localstack_image_functions.s3.serializing import serialize_as_documented
from localstack_image_functions.s3.signatures import check_form, form_of

_OF_DIRECTORIES = "Only directory buckets have this condition."


def answer_as_documented() -> None:
    """Let S3 do so from now on."""
    serialize_as_documented()
    provider.validate_failed_precondition = check_read
    provider.get_failed_precondition_copy_source = failed_copy
    for name, mend in _OPERATIONS.items():
        setattr(S3Provider, name, mended(getattr(S3Provider, name), mend))


def _bucket(self: Any, context: Any, name: str) -> Any:
    return self._get_cross_account_bucket(context, name)[1]


def _put_object(self: Any, original: Any, context: Any, request: Any) -> Any:
    """One of several conditional writes at a time; LocalStack's own storage has a lock for it."""
    if not (request.get("IfMatch") or request.get("IfNoneMatch")):
        return original(self, context, request)
    with one_at_a_time(request["Bucket"], request["Key"]):
        return original(self, context, request)


def _copy_object(self: Any, original: Any, context: Any, request: Any) -> Any:
    conditions = request.get("IfMatch"), request.get("IfNoneMatch")
    if not any(conditions):
        return original(self, context, request)
    name, key = request["Bucket"], request["Key"]
    with one_at_a_time(name, key):
        check_write(_bucket(self, context, name).objects.get(key), key, *conditions)
        return original(self, context, request)


_CHECKSUMS = {
    "CRC32": "checksum_crc32",
    "CRC32C": "checksum_crc32_c",
    "SHA1": "checksum_sha1",
    "SHA256": "checksum_sha256",
}


def _complete(self: Any, original: Any, context: Any, **asked: Any) -> Any:
    upload = _bucket(self, context, asked["bucket"]).multiparts.get(asked["upload_id"])
    algorithm = upload.checksum_algorithm if upload else None
    given = asked.get(_CHECKSUMS.get(algorithm or "", ""))
    if given and upload.checksum_type == ChecksumType.COMPOSITE:
        _check_composite(upload, asked.get("multipart_upload") or {}, given)
    if not (asked.get("if_match") or asked.get("if_none_match")):
        return _located(context, original(self, context, **asked))
    with one_at_a_time(asked["bucket"], asked["key"]):
        return _located(context, original(self, context, **asked))


def _located(context: Any, answered: Any) -> Any:
    """At the host that the client asked, as other addresses are told: LocalStack tells its own."""
    told, host = urlsplit(answered["Location"]), context.request.host
    if host and not told.netloc.startswith(f"{answered['Bucket']}."):
        answered["Location"] = told._replace(netloc=host).geturl()
    return answered


def _create_bucket(self: Any, original: Any, context: Any, request: Any) -> Any:
    """Of tags with one key twice S3 says that it failed, whatever TagResource says of them."""
    given = (request.get("CreateBucketConfiguration") or {}).get("Tags") or ()
    keys = [one.get("Key") for one in given]
    if len(set(keys)) < len(keys):
        raise CommonServiceException(
            "InternalError", "We encountered an internal error. Please try again.", 500
        )
    return original(self, context, request)


def _check_composite(upload: Any, parts: Mapping[str, Any], given: str) -> None:
    """A checksum of the parts' checksums, with their count after it or without."""
    numbers = [one.get("PartNumber") for one in parts.get("Parts") or ()]
    if not all(number in upload.parts for number in numbers):
        return  # the operation says it
    whole = get_s3_checksum(upload.checksum_algorithm)
    for number in numbers:
        whole.update(base64.b64decode(upload.parts[number].checksum_value))
    if given.partition("-")[0] != base64.b64encode(whole.digest()).decode():
        name = upload.checksum_algorithm.lower()
        raise BadDigest(f"The {name} you specified did not match the calculated checksum.")


def _delete_object(self: Any, original: Any, context: Any, **asked: Any) -> Any:
    if_match = asked.pop("if_match", None)
    if not if_match:
        return original(self, context, **asked)
    bucket, key = asked["bucket"], asked["key"]
    with one_at_a_time(bucket, key):
        check_delete(_bucket(self, context, bucket).objects.get(key), key, if_match)
        return original(self, context, **asked)


def _delete_objects(self: Any, original: Any, context: Any, **asked: Any) -> Any:
    """Those whose condition holds; the others are errors of the answer."""
    named = asked["delete"].get("Objects") or ()
    for of_directories in ("Size", "LastModifiedTime"):
        if any(one.get(of_directories) is not None for one in named):
            raise not_accepted(of_directories, _OF_DIRECTORIES)
    if not any(one.get("ETag") for one in named):
        return original(self, context, **asked)
    objects = _bucket(self, context, asked["bucket"]).objects
    held, errors = [], []
    for one in named:
        try:
            if one.get("ETag"):
                check_delete(objects.get(one["Key"]), one["Key"], one["ETag"])
            held.append(one)
        except ServiceException as error:
            errors.append({"Key": one["Key"], "Code": error.code, "Message": error.message})
    delete = {**asked["delete"], "Objects": held}
    answered = original(self, context, **{**asked, "delete": delete}) if held else {}
    return {**answered, "Errors": [*errors, *answered.get("Errors", ())]}


def _delete_encryption(self: Any, original: Any, context: Any, **asked: Any) -> Any:
    """Every bucket is encrypted, by what S3 does where nothing else was asked for."""
    original(self, context, **asked)
    _bucket(self, context, asked["bucket"]).encryption_rule = DEFAULT_BUCKET_ENCRYPTION


_DESTINATIONS = {
    "QueueConfigurations": "QueueArn",
    "TopicConfigurations": "TopicArn",
    "LambdaFunctionConfigurations": "LambdaFunctionArn",
}


def _notify(self: Any, original: Any, context: Any, **asked: Any) -> Any:
    """Who is told is where the bucket is."""
    region = _bucket(self, context, asked["bucket"]).bucket_region
    given = asked.get("notification_configuration") or {}
    for kind, name in _DESTINATIONS.items():
        for arn in [one.get(name) or "" for one in given.get(kind) or ()]:
            if arn.count(":") >= 5 and arn.split(":")[3] != region:
                raise InvalidArgument(
                    "The notification destination service region is not valid for the bucket "
                    "location constraint",
                    ArgumentName=arn,
                    ArgumentValue="null",
                )
    return original(self, context, **asked)


def _list_buckets(self: Any, original: Any, context: Any, **asked: Any) -> Any:
    answered = original(self, context, **asked)
    store = self.get_store(context.account_id, context.region)
    for one in answered["Buckets"]:
        one["BucketArn"] = store.buckets[one["Name"]].bucket_arn
    return answered


def _lifecycle(self: Any, original: Any, context: Any, **asked: Any) -> Any:
    """Of several conditions of a rule, those that were not given say so."""
    answered = original(self, context, **asked)
    rules = [dict(rule) for rule in answered["Rules"]]
    for rule in rules:
        both = (rule.get("Filter") or {}).get("And")
        if both:
            also = {"Prefix": "", "ObjectSizeGreaterThan": 0}
            rule["Filter"] = {**rule["Filter"], "And": also | both}
    return {**answered, "Rules": rules}


def _list_objects(self: Any, original: Any, context: Any, **asked: Any) -> Any:
    """Truncated is what has another page: LocalStack looks at the bucket's last key alone."""
    answered = original(self, context, **asked)
    if answered.get("IsTruncated"):
        groups = [one["Prefix"] for one in answered.get("CommonPrefixes", ())]
        shown = [one["Key"] for one in answered.get("Contents", ())]
        encoded = bool(asked.get("encoding_type"))
        keys = [one.key for one in _bucket(self, context, asked["bucket"]).objects.values()]
        if not _has_more(
            [quote(key) for key in keys] if encoded else keys, answered["Prefix"], groups, shown
        ):
            answered["IsTruncated"] = False
            answered.pop("NextMarker", None)
    return answered


def _has_more(keys: Iterable[str], prefix: str, groups: list[str], shown: list[str]) -> bool:
    last = max([*groups, *shown], default="")
    return any(
        key > last and key.startswith(prefix) and not (last in groups and key.startswith(last))
        for key in keys
    )


def _upload_part_copy(self: Any, original: Any, context: Any, request: Any) -> Any:
    """With the key of the upload, and that of the source, where these have one."""
    if not (request.get("CopySourceRange") or "bytes=").startswith("bytes="):
        raise InvalidArgument(
            "The x-amz-copy-source-range value must be of the form bytes=first-last where first "
            "and last are the zero-based offsets of the first and last bytes to copy",
            ArgumentName="x-amz-copy-source-range",
            ArgumentValue=request["CopySourceRange"],
        )
    _check_customer_keys(request)
    upload = _bucket(self, context, request["Bucket"]).multiparts.get(request.get("UploadId"))
    key = request.get("SSECustomerKeyMD5")
    if upload and (upload.object.sse_key_hash or key):
        _check_part_key(upload.object.sse_key_hash, key)
    _check_source_key(self, context, request)
    answered = original(self, context, request)
    if key:
        answered |= {"SSECustomerAlgorithm": "AES256", "SSECustomerKeyMD5": key}
    return answered


def _check_customer_keys(request: Mapping[str, Any]) -> None:
    for of in ("", "CopySource"):
        validate_sse_c(
            algorithm=request.get(f"{of}SSECustomerAlgorithm"),
            encryption_key=request.get(f"{of}SSECustomerKey"),
            encryption_key_md5=request.get(f"{of}SSECustomerKeyMD5"),
        )


def _check_part_key(kept: str | None, given: str | None) -> None:
    if not (kept and given):
        raise InvalidRequest(
            "The multipart upload initiate requested encryption. "
            "Subsequent part requests must include the appropriate encryption parameters."
        )
    if kept != given:
        raise InvalidRequest(
            "The provided encryption parameters did not match the ones used originally."
        )


def _check_source_key(self: Any, context: Any, request: Mapping[str, Any]) -> None:
    name, key, version = provider.extract_bucket_key_version_id_from_copy_source(
        request.get("CopySource")
    )
    try:
        stored = _bucket(self, context, name).get_object(key=key, version_id=version)
    except ServiceException:
        return  # the operation says it
    kept, given = stored.sse_key_hash, request.get("CopySourceSSECustomerKeyMD5")
    if kept and not given:
        raise InvalidRequest(
            "The object was stored using a form of Server Side Encryption. "
            "The correct parameters must be provided to retrieve the object."
        )
    if kept and kept != given:
        raise AccessDenied("Access Denied")


def _post_object(self: Any, original: Any, context: Any, **asked: Any) -> Any:
    form = context.request.form = form_of(context.request)
    if not form.get("key"):
        raise InvalidArgument(
            "Bucket POST must contain a field named 'key'.  If it is specified, please check the "
            "order of the fields.",
            ArgumentName="key",
            ArgumentValue="",
        )
    if "file" not in form and "file" not in context.request.files:
        raise InvalidArgument(
            "POST requires exactly one file upload per request.",
            ArgumentName="file",
            ArgumentValue="0",
        )
    check_form(form)
    return original(self, context, **asked)


_OPERATIONS: Mapping[str, Callable[..., Any]] = {
    "complete_multipart_upload": _complete,
    "copy_object": _copy_object,
    "create_bucket": _create_bucket,
    "delete_bucket_encryption": _delete_encryption,
    "delete_object": _delete_object,
    "delete_objects": _delete_objects,
    "get_bucket_lifecycle_configuration": _lifecycle,
    "list_buckets": _list_buckets,
    "list_multipart_uploads": list_multipart_uploads,
    "list_object_versions": list_object_versions,
    "list_objects": _list_objects,
    "post_object": _post_object,
    "put_bucket_notification_configuration": _notify,
    "put_object": _put_object,
    "upload_part_copy": _upload_part_copy,
}
