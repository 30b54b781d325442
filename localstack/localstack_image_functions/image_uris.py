"""Image URIs taken apart: ECR's, and those of any registry."""

from __future__ import annotations

import re
from dataclasses import dataclass

from localstack_image_functions.errors import ImageNotFound

_VERSION = r"(?::(?P<tag>[\w][\w.-]{0,127}))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
_AT_THE_END = re.compile(f"{_VERSION}$")
ECR_URI = re.compile(
    r"(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(?:\.cn)?/"
    r"(?P<repository>[a-z0-9]+(?:[._/-][a-z0-9]+)*)" + _VERSION
)


@dataclass(frozen=True)
class ImageReference:
    """An image URI, taken apart. Without tag and digest, `tag` is `latest`."""

    account: str
    region: str
    repository: str
    tag: str | None
    digest: str | None

    @classmethod
    def parse(cls, uri: str) -> ImageReference:
        """Take an ECR image URI apart.

        Raises
        ------
        ImageNotFound
            When it is none: Lambda takes images from ECR only.
        """
        match = ECR_URI.fullmatch(uri)
        if match is None:
            raise ImageNotFound(f"Source image {uri} is not valid. Provide a valid source image.")
        parts = match.groupdict()
        if parts["tag"] is None and parts["digest"] is None:
            parts["tag"] = "latest"
        return cls(**parts)

    @property
    def image_id(self) -> dict[str, str]:
        """As ECR's operations want it. A digest says more than a tag beside it."""
        if self.digest:
            return {"imageDigest": self.digest}
        return {"imageTag": self.tag or "latest"}


def without_version(uri: str) -> str:
    """The URI up to tag and digest, of any registry, also one on a port of this machine."""
    return _AT_THE_END.sub("", uri, count=1)


def is_of_region(uri: str, region: str) -> bool:
    """Whether an image lies in a region; one whose URI names none lies in each."""
    match = ECR_URI.fullmatch(uri)
    return match is None or match["region"] == region


@dataclass(frozen=True)
class RegistryReference:
    """An image by name: `repository` and a `tag` or `digest`."""

    repository: str
    selector: str


def parse_uri(uri: str) -> RegistryReference:
    """Read `HOST[:PORT]/REPOSITORY[:TAG][@DIGEST]`; without tag and digest it is `latest`.

    Any host will do: the host of an ECR URI only says which account's registry is meant, and
    there is one. A host's port must not be taken for a tag.

    Raises
    ------
    ImageNotFound
        When the URI names no repository.
    """
    host, slash, rest = uri.partition("/")
    looks_like_host = "." in host or ":" in host or host == "localhost"
    if not slash or not looks_like_host or not rest:
        raise ImageNotFound(f"{uri!r} is not the URI of an image in ECR: HOST/REPOSITORY:TAG")
    version = _AT_THE_END.search(rest)
    selector = version and (version["digest"] or version["tag"])
    return RegistryReference(without_version(rest), selector or "latest")
