"""What a lifecycle policy of ECR would expire: previews, by the rules that AWS documents.

https://docs.aws.amazon.com/AmazonECR/latest/userguide/LifecyclePolicies.html has the evaluation.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Rule = Mapping[str, Any]
Handler = Callable[[Any, Any], Any]
MOST = 100
"""How many results come at once."""


@dataclass(frozen=True)
class StoredImage:
    """An image of a repository, as far as a policy looks at it. `pushed_at` in seconds of Unix."""

    digest: str
    tags: tuple[str, ...]
    pushed_at: float
    holds: frozenset[str] = frozenset()
    """The digests that it names, if it is a list of manifests."""


@dataclass(frozen=True)
class Expiring:
    """An image that a policy expires, and the priority of the rule that does."""

    image: StoredImage
    priority: int


def expiring(
    policy: Mapping[str, Any], images: Sequence[StoredImage], now: float, day_s: int = 86_400
) -> list[Expiring]:
    """What `policy`, which is valid, expires of `images` (in order of their push); oldest first.

    `now` is in seconds of Unix, a day lasts `day_s`. Every rule looks at all images; what an
    earlier one's tags have chosen, a later one spares. An image of a list stays with the list.
    """
    by_age = sorted(images, key=lambda image: image.pushed_at)
    spared: set[str] = set().union(*(image.holds for image in images))
    found = []
    for rule in sorted(policy["rules"], key=lambda rule: rule["rulePriority"]):
        selection = rule["selection"]
        chosen = [image for image in by_age if _is_chosen(selection, image.tags)]
        for image in _over(selection, chosen, now, day_s):
            if image.digest not in spared:
                found.append(Expiring(image, rule["rulePriority"]))
        spared.update(image.digest for image in chosen)
    return sorted(found, key=lambda one: by_age.index(one.image))


def _over(selection: Rule, chosen: list[StoredImage], now: float, day_s: int) -> list[StoredImage]:
    if selection["countType"] == "imageCountMoreThan":
        return chosen[: -selection["countNumber"]]
    oldest = now - selection["countNumber"] * day_s
    return [image for image in chosen if image.pushed_at < oldest]


def _is_chosen(selection: Rule, tags: tuple[str, ...]) -> bool:
    status = selection["tagStatus"]
    if status != "tagged":
        return status == "any" or not tags
    wanted = [prefix + "*" for prefix in selection.get("tagPrefixList") or ()]
    wanted += selection.get("tagPatternList") or ()
    return all(any(_fits(pattern, tag) for tag in tags) for pattern in wanted)


def _fits(pattern: str, tag: str) -> bool:
    return bool(re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), tag))


class Previews:
    """StartLifecyclePolicyPreview and GetLifecyclePolicyPreview.

    `repository_of` finds moto's repository with the images that it has now, or raises ECR's error
    for a missing one; `refuse` makes an error of a code and a message. A preview lies with its
    repository, and goes with it.
    """

    def __init__(
        self,
        repository_of: Callable[[Any, Any], Any],
        refuse: Callable[[str, str], Exception],
        day_s: int,
    ) -> None:
        self._repository_of = repository_of
        self._refuse = refuse
        self._day_s = day_s

    def handlers(self) -> dict[str, Handler]:
        """Operation name -> handler."""
        return {"StartLifecyclePolicyPreview": self._start, "GetLifecyclePolicyPreview": self._get}

    def _start(self, context: Any, request: Any) -> dict[str, Any]:
        repository = self._repository_of(context, request)
        text = request.get("lifecyclePolicyText") or repository.lifecycle_policy
        if not text:
            raise self._missing("Lifecycle policy", "LifecyclePolicyNotFoundException", repository)
        images = [_stored(image) for image in repository.images]
        found = expiring(json.loads(text), images, time.time(), self._day_s)
        repository._preview = {
            "lifecyclePolicyText": text,
            "previewResults": [_result(one) for one in found],
        }
        return {**_named(repository), "lifecyclePolicyText": text, "status": "IN_PROGRESS"}

    def _get(self, context: Any, request: Any) -> dict[str, Any]:
        repository = self._repository_of(context, request)
        preview = getattr(repository, "_preview", None)
        if preview is None:
            code = "LifecyclePolicyPreviewNotFoundException"
            raise self._missing("Lifecycle policy preview", code, repository)
        asked, token = request.get("imageIds"), request.get("nextToken")
        if asked and (token or request.get("maxResults")):
            raise self._invalid("'nextToken' and 'maxResults' can't be used with 'imageIds'")
        if token and not token.isdecimal():
            raise self._invalid("The nextToken is none of ours.")
        results = list(_asked_for(preview["previewResults"], asked, request.get("filter") or {}))
        start, most = int(token or 0), request.get("maxResults") or MOST
        more = {"nextToken": str(start + most)} if len(results) > start + most else {}
        return {
            **_named(repository),
            "lifecyclePolicyText": preview["lifecyclePolicyText"],
            "status": "COMPLETE",
            "previewResults": results[start : start + most],
            "summary": {"expiringImageTotalCount": len(preview["previewResults"])},
            **more,
        }

    def _invalid(self, message: str) -> Exception:
        return self._refuse("InvalidParameterException", message)

    def _missing(self, what: str, code: str, repository: Any) -> Exception:
        where = f"'{repository.name}' in the registry with id '{repository.registry_id}'"
        return self._refuse(code, f"{what} does not exist for the repository with name {where}")


def _named(repository: Any) -> dict[str, str]:
    return {"registryId": repository.registry_id, "repositoryName": repository.name}


def _stored(image: Any) -> StoredImage:
    manifest = json.loads(image.image_manifest)
    return StoredImage(
        image.get_image_digest(),
        tuple(image.image_tags),
        image.image_pushed_at,
        frozenset(one["digest"] for one in manifest.get("manifests") or ()),
    )


def _result(one: Expiring) -> dict[str, Any]:
    return {
        **({"imageTags": list(one.image.tags)} if one.image.tags else {}),
        "imageDigest": one.image.digest,
        "imagePushedAt": one.image.pushed_at,
        "action": {"type": "EXPIRE"},
        "appliedRulePriority": one.priority,
    }


def _asked_for(
    results: Iterable[dict[str, Any]], asked: list[dict[str, str]] | None, only: Mapping[str, str]
) -> Iterable[dict[str, Any]]:
    status = only.get("tagStatus") or "ANY"
    for result in results:
        tags = result.get("imageTags") or []
        fits = status == "ANY" or bool(tags) == (status == "TAGGED")
        if fits and (not asked or any(_names(one, result["imageDigest"], tags) for one in asked)):
            yield result


def _names(asked: Mapping[str, str], digest: str, tags: list[str]) -> bool:
    tag = asked.get("imageTag")
    return asked.get("imageDigest") in (None, digest) and (tag is None or tag in tags)
