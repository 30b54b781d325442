"""Which image a function runs: from its URI, through ECR, to a digest."""

from __future__ import annotations

import json

from botocore.exceptions import ClientError
from localstack.aws.connect import connect_to
from localstack.services.lambda_.invocation.lambda_models import ImageCode

from localstack_image_functions.errors import ImageNotFound, UnsupportedImage
from localstack_image_functions.image_uris import ImageReference, without_version

_INDEX_TYPES = ("index", "manifest.list")


class EcrImageCode(ImageCode):
    """LocalStack's model of an image, with the resolved URI right for any kind of URI."""

    @property
    def resolved_image_uri(self) -> str:
        return f"{without_version(self.image_uri)}@sha256:{self.code_sha256}"


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


def image_code(uri: str, digest: str) -> EcrImageCode:
    """What LocalStack keeps of a function's image: URI and resolved digest."""
    return EcrImageCode(
        image_uri=uri, repository_type="ECR", code_sha256=digest.removeprefix("sha256:")
    )
