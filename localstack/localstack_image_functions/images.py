"""Which image a function runs: from its URI, through ECR, to a digest."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from botocore.exceptions import ClientError
from localstack.aws.connect import connect_to
from localstack.services.lambda_.invocation.lambda_models import ImageCode

from localstack_image_functions.errors import ImageNotFound, UnsupportedImage

ECR_URI = re.compile(
    r"(?P<repository_uri>(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(?:\.cn)?/"
    r"(?P<repository>[a-z0-9]+(?:[._/-][a-z0-9]+)*))"
    r"(?::(?P<tag>[\w][\w.-]{0,127}))?"
    r"(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)
_INDEX_TYPES = ("index", "manifest.list")


@dataclass(frozen=True)
class ImageReference:
    """An image URI, taken apart. Without tag and digest, `tag` is `latest`."""

    repository_uri: str
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


class EcrImageCode(ImageCode):
    """LocalStack's model of an image, with the resolved URI right for one with a digest, too."""

    @property
    def resolved_image_uri(self) -> str:
        return f"{ImageReference.parse(self.image_uri).repository_uri}@sha256:{self.code_sha256}"


def resolve_image(uri: str) -> str:
    """The digest (`sha256:…`) of the image that ECR holds under `uri`.

    Raises
    ------
    ImageNotFound
        When ECR holds none.
    UnsupportedImage
        When it is an index of several images.
    """
    reference = ImageReference.parse(uri)
    client = connect_to(aws_access_key_id=reference.account, region_name=reference.region).ecr
    missing = ImageNotFound(f"Source image {uri} does not exist. Provide a valid source image.")
    try:
        found = client.batch_get_image(
            repositoryName=reference.repository, imageIds=[reference.image_id]
        )["images"]
    except ClientError as error:
        raise missing from error
    if not found:
        raise missing
    manifest = json.loads(found[0]["imageManifest"])
    media_type = manifest.get("mediaType", "")
    if any(kind in media_type for kind in _INDEX_TYPES) or "manifests" in manifest:
        raise UnsupportedImage(
            "The image manifest, config or layer media type for the source image "
            f"{uri} is not supported."
        )
    return found[0]["imageId"]["imageDigest"]


def is_of_region(uri: str, region: str) -> bool:
    """Whether an image lies in a region; one whose URI names none lies in each."""
    match = ECR_URI.fullmatch(uri)
    return match is None or match["region"] == region


def image_code(uri: str, digest: str) -> EcrImageCode:
    """What LocalStack keeps of a function's image: URI and resolved digest."""
    return EcrImageCode(
        image_uri=uri, repository_type="ECR", code_sha256=digest.removeprefix("sha256:")
    )
