"""Pages of ECR's lists and what it says of images that it can't give; moto leaves both out."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from localstack.aws.api import CommonServiceException

Handler = Callable[[Any, Any], Any]
MOST = 100
"""How many come at once unless another number is asked for."""
_DIGEST = re.compile(r"[a-zA-Z0-9-_+.]+:[a-fA-F0-9]{32,}", re.ASCII)


def documented(handlers: Mapping[str, Handler]) -> dict[str, Handler]:
    """ECR's handlers by operation, their answers as AWS documents them."""
    lists = {"DescribeImages": "imageDetails", "DescribeRepositories": "repositories"}
    own = {name: _paged(handlers[name], items) for name, items in lists.items()}
    own["ListImages"] = _paged(_with_status(handlers["ListImages"]), "imageIds")
    own["BatchGetImage"] = _each_asked(handlers["BatchGetImage"])
    for name in ("GetLifecyclePolicy", "DeleteLifecyclePolicy"):
        own[name] = _never_evaluated(handlers[name])
    return {**handlers, **own}


def _never_evaluated(handler: Handler) -> Handler:
    """Policies of life cycle expire nothing here; moto says that they just have."""

    def answer(context: Any, request: Any) -> Any:
        answered = handler(context, request)
        return {name: value for name, value in answered.items() if name != "lastEvaluatedAt"}

    return answer


def _paged(handler: Handler, items: str) -> Handler:
    def answer(context: Any, request: Any) -> Any:
        token, limit = request.get("nextToken") or "0", request.get("maxResults") or MOST
        if not token.isdecimal():
            raise CommonServiceException(
                "InvalidParameterException", "The nextToken is none of ours.", sender_fault=True
            )
        answered = handler(context, {**request, "nextToken": None, "maxResults": None})
        found, start = answered.get(items) or [], int(token)
        page = {**answered, items: found[start : start + limit]}
        if len(found) > start + limit:
            page["nextToken"] = str(start + limit)
        return page

    return answer


def _with_status(handler: Handler) -> Handler:
    """Of those with a tag or without: what the filter says."""

    def answer(context: Any, request: Any) -> Any:
        status = (request.get("filter") or {}).get("tagStatus") or "ANY"
        answered = handler(context, request)
        if status == "ANY":
            return answered
        kept = [
            one for one in answered["imageIds"] if bool(one.get("imageTag")) == (status == "TAGGED")
        ]
        return {**answered, "imageIds": kept}

    return answer


def _each_asked(handler: Handler) -> Handler:
    """Each image by the tag that it was asked for, or the reason why not."""

    def answer(context: Any, request: Any) -> Any:
        images, failures = [], []
        if not request["imageIds"]:
            return handler(context, request)
        for asked in request["imageIds"]:
            why = unusable(asked)
            if why:
                failures.append({"imageId": asked, **why})
                continue
            answered = handler(context, {**request, "imageIds": [asked]})
            failures += answered.get("failures") or []
            for image in answered.get("images") or []:
                found = {**image["imageId"], **asked}
                if image["imageId"]["imageDigest"] != found["imageDigest"]:
                    failures.append({"imageId": asked, **_OTHER_DIGEST})
                else:
                    images.append({**image, "imageId": found})
        return {"images": images, "failures": failures}

    return answer


_OTHER_DIGEST = {
    "failureCode": "ImageTagDoesNotMatchDigest",
    "failureReason": "The image that has this tag has another digest",
}


def unusable(asked: Mapping[str, str]) -> dict[str, str] | None:
    """Why nothing can be found by this, as a failure of a batch; None where it can."""
    digest = asked.get("imageDigest")
    if not digest and not asked.get("imageTag"):
        return {
            "failureCode": "MissingDigestAndTag",
            "failureReason": "Neither a digest nor a tag of the image was given",
        }
    if digest and not _DIGEST.fullmatch(digest):
        return {
            "failureCode": "InvalidImageDigest",
            "failureReason": f"{digest} is no digest of an image",
        }
    return None
