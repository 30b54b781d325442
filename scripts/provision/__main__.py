"""Deploy, update or delete the cloud side of the lab: `python -m scripts.provision deploy`."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from botocore.exceptions import ClientError

from contract.switch import Switch, read_switch
from scripts.console import Progress, run_command
from scripts.provision.function_image import architecture, publish_bundle
from scripts.provision.people import seed
from scripts.provision.stacks import Stacks
from scripts.setup import BUILD, ROOT

ROSTER = ROOT / "fixtures" / "roster.json"
SEED_GALLERY = BUILD / "seed" / "gallery.npz"
SEED_MODEL = ROOT / "training" / "shipped" / "custom.onnx"


def deploy(switch: Switch, image_uri: str, progress: Progress) -> None:
    """Bring both stacks to their templates, then seed what is empty."""
    stacks = Stacks(switch, progress)
    stacks.deploy(
        switch.names.stack,
        "stack.yaml",
        {
            "Prefix": switch.names.prefix,
            "ImageUri": image_uri,
            "Architecture": architecture(),
        },
    )
    deploy_device(switch, progress)
    seed(switch, ROSTER, SEED_GALLERY, SEED_MODEL, progress)


def deploy_device(switch: Switch, progress: Progress) -> None:
    Stacks(switch, progress).deploy(
        switch.names.device_stack(switch.device_id),
        "device.yaml",
        {"Prefix": switch.names.prefix, "DeviceId": switch.device_id},
    )


def delete(switch: Switch, progress: Progress) -> None:
    """Delete everything that `deploy` made, and every device's stack."""
    stacks = Stacks(switch, progress)
    cloudformation = switch.client("cloudformation")
    prefix = f"{switch.names.prefix}-device-"
    for page in cloudformation.get_paginator("describe_stacks").paginate():
        for stack in page["Stacks"]:
            if stack["StackName"].startswith(prefix):
                stacks.delete(stack["StackName"])
    empty_bucket(switch)  # CloudFormation refuses to delete a bucket with objects
    stacks.delete(switch.names.stack)
    ecr = switch.client("ecr")
    try:
        ecr.delete_repository(repositoryName=switch.names.repository, force=True)
        progress(f"deleted repository {switch.names.repository}")
    except ecr.exceptions.RepositoryNotFoundException:
        pass


def empty_bucket(switch: Switch) -> None:
    s3 = switch.client("s3")
    try:
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=switch.bucket):
            keys = [{"Key": row["Key"]} for row in page.get("Contents", ())]
            if keys:
                s3.delete_objects(Bucket=switch.bucket, Delete={"Objects": keys, "Quiet": True})
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchBucket":
            raise


def publish(switch: Switch, store: Path, progress: Progress) -> str:
    """Put the function into ECR as this backend runs it; the image's URI by digest."""
    if switch.backend == "docker":
        from scripts.docker.images import publish_image

        return publish_image(switch, progress)
    return publish_bundle(switch, store, progress)


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.provision", description=__doc__.splitlines()[0]
    )
    parser.add_argument("action", choices=("deploy", "delete"))
    parser.add_argument(
        "--store",
        type=Path,
        default=Path(os.environ.get("IMAGE_FUNCTIONS_STORE", BUILD / "lab" / "images")),
        help="where process bundles are kept (embedded backend)",
    )
    options = parser.parse_args()
    switch, progress = read_switch(), Progress()
    if options.action == "delete":
        delete(switch, progress)
    else:
        deploy(switch, publish(switch, options.store, progress), progress)
    return 0


if __name__ == "__main__":
    run_command(main)
