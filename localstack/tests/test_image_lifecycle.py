"""What a lifecycle policy expires: the examples of AWS's page, and what its rules say beside them.

https://docs.aws.amazon.com/AmazonECR/latest/userguide/lifecycle_policy_examples.html
"""

from __future__ import annotations

from typing import Any

import pytest

from localstack_image_functions.image_lifecycle import Previews, StoredImage, expiring

DAY_S = 86_400
NOW = 100 * DAY_S
BETA_AND_PROD = [("beta-1 prod-1", 10), ("beta-2 prod-2", 9), ("beta-3", 8)]
ALPHA_AND_BETA = [
    ("alpha-1", 12), ("beta-1", 11), ("alpha-2 beta-2", 10), ("alpha-3", 4), ("beta-3", 3),
    ("alpha-4 beta-4", 2),
]  # fmt: skip
GREEK = [("alpha-1 beta-1 gamma-1", 10), ("alpha-2 beta-2", 9), ("alpha-3 beta-3 gamma-2", 8)]


def rule(tags: str | None, more_than: int = 0, days: int = 0, kind: str = "Pattern") -> Any:
    """`tags`: patterns (or prefixes), "" for untagged images, None for any."""
    selection: dict[str, Any] = {"tagStatus": "any" if tags is None else "untagged"}
    if tags:
        selection = {"tagStatus": "tagged", f"tag{kind}List": tags.split()}
    count = {"countType": "sinceImagePushed", "countUnit": "days", "countNumber": days}
    if more_than:
        count = {"countType": "imageCountMoreThan", "countNumber": more_than}
    return {"selection": selection | count, "action": {"type": "expire"}}


def stored(*images: tuple[str, float]) -> list[StoredImage]:
    return [
        StoredImage(letter, tuple(tags.split()), NOW - days * DAY_S)
        for letter, (tags, days) in zip("ABCDEF", images, strict=False)
    ]


def expires(rules: list[Any], images: list[StoredImage]) -> str:
    """Which images by which rule: `A1 B2`."""
    ordered = [{"rulePriority": number, **one} for number, one in enumerate(rules, 1)]
    found = expiring({"rules": ordered[::-1]}, images, NOW)
    return " ".join(f"{one.image.digest}{one.priority}" for one in found)


@pytest.mark.parametrize(
    ("rules", "images", "outcome"),
    [
        ([rule("prod*", 1), rule("beta*", 1)], BETA_AND_PROD, "A1"),
        ([rule("beta*", 1), rule("prod*", 1)], BETA_AND_PROD, "A1 B1"),
        ([rule("alpha* beta*", days=5)], ALPHA_AND_BETA, "C1"),
        ([rule("alpha beta", days=5, kind="Prefix")], ALPHA_AND_BETA, "C1"),
        ([rule("alpha* beta*", 1)], GREEK, "A1 B1"),
    ],
)
def test_the_examples_of_the_page_end_as_it_says(rules: Any, images: Any, outcome: str) -> None:
    assert expires(rules, stored(*images)) == outcome


@pytest.mark.parametrize(
    ("rules", "images", "outcome"),
    [
        ([rule("", 1)], [("", 3), ("a", 2), ("", 1)], "A1"),
        ([rule("", 1), rule(None, 1)], [("", 3), ("a", 2), ("", 1)], "A1 B2"),
        ([rule(None, 2)], [("", 3), ("a", 2)], ""),
        ([rule("a*c", 1)], [("abc", 3), ("ac", 2), ("acb", 1)], "A1"),
        ([rule("a.c", 1)], [("abc", 3), ("a.c", 2)], ""),
        ([rule("a.c", 1, kind="Prefix")], [("a.c", 3), ("a.c-1", 2)], "A1"),
        ([rule("prod", 1)], [("prod-1", 3), ("prod", 2)], ""),
        ([rule(None, days=2)], [("a", 2), ("b", 2.001), ("c", 1)], "B1"),
    ],
)
def test_what_the_rules_of_evaluation_say(rules: Any, images: Any, outcome: str) -> None:
    assert expires(rules, stored(*images)) == outcome


def test_an_image_of_a_list_stays_as_long_as_the_list() -> None:
    part, index = StoredImage("A", (), 1), StoredImage("B", ("v1",), 2, frozenset("A"))

    assert expires([rule("", days=1)], [part, index]) == ""
    assert expires([rule("", days=1)], [part]) == "A1"


class Repository:
    """moto's, as far as previews know it."""

    name, registry_id, lifecycle_policy, images = "app", "000000000000", None, ()
    _preview: Any = None


def previews(results: list[dict[str, Any]]) -> Any:
    repository = Repository()
    repository._preview = {"lifecyclePolicyText": "{}", "previewResults": results}

    def refuse(code: str, message: str) -> Exception:
        return ValueError(f"{code}: {message}")

    handlers = Previews(lambda *_: repository, refuse, DAY_S).handlers()
    return lambda **request: handlers["GetLifecyclePolicyPreview"](None, request)


def test_a_preview_comes_in_pages_and_its_summary_counts_all() -> None:
    get = previews([{"imageDigest": str(number)} for number in range(101)])
    first = get()
    last = get(nextToken=first["nextToken"])

    assert len(first["previewResults"]) == 100
    assert [one["imageDigest"] for one in last["previewResults"]] == ["100"]
    assert "nextToken" not in last
    assert first["summary"] == last["summary"] == {"expiringImageTotalCount": 101}
    with pytest.raises(ValueError, match=r"InvalidParameterException: .*imageIds"):
        get(maxResults=1, imageIds=[{"imageTag": "a"}])
    with pytest.raises(ValueError, match="InvalidParameterException"):
        get(nextToken="a")


def test_a_preview_tells_what_was_asked_for() -> None:
    get = previews([{"imageDigest": "1", "imageTags": ["a", "b"]}, {"imageDigest": "2"}])

    def digests(**request: Any) -> list[str]:
        return [one["imageDigest"] for one in get(**request)["previewResults"]]

    assert digests(filter={"tagStatus": "TAGGED"}) == ["1"]
    assert digests(filter={"tagStatus": "UNTAGGED"}) == ["2"]
    assert digests(imageIds=[{"imageTag": "b"}]) == ["1"]
    assert digests(imageIds=[{"imageDigest": "2", "imageTag": "b"}]) == []
