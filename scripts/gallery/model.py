"""Put a custom model live, without a new image, or go back to the one before."""

from __future__ import annotations

import time

from botocore.exceptions import ClientError

from cloud.listing import every
from cloud.switch import Switch
from contract.names import CUSTOM_MODEL_KEY
from recognition import CustomModel, CustomModelUnusable
from scripts.errors import LabError
from scripts.gallery.tombstones import TombstoneBook

HISTORY_PREFIX = "models/history/"


def deploy(switch: Switch, data: bytes) -> CustomModel:
    """Check the model as the function will, keep the one in use, then replace it.

    Raises
    ------
    LabError
        When the function could not use it, or it knows somebody who was forgotten; the one
        in use stays.
    """
    try:
        model = CustomModel.from_bytes(data)
    except CustomModelUnusable as error:
        raise LabError(f"this model can't be used: {error}", "`make train` exports one") from error
    forgotten = TombstoneBook(switch).read()
    known = [label for label in model.labels if forgotten.covers(label)]
    if known:
        raise LabError(
            f"this model knows {', '.join(known)}, whom this lab was asked to forget",
            "`make train` without their pictures, or enroll them again",
        )
    _keep_current(switch)
    switch.client("s3").put_object(Bucket=switch.bucket, Key=CUSTOM_MODEL_KEY, Body=data)
    return model


def roll_back(switch: Switch) -> str:
    """Put the newest kept model back and take it out of the history; its key there.

    Raises
    ------
    LabError
        When none is kept.
    """
    s3 = switch.client("s3")
    kept = history(switch)
    if not kept:
        raise LabError("there is no earlier model to go back to", "`make deploy-model` keeps them")
    source = {"Bucket": switch.bucket, "Key": kept[-1]}
    s3.copy_object(Bucket=switch.bucket, Key=CUSTOM_MODEL_KEY, CopySource=source)
    s3.delete_object(**source)
    return kept[-1]


def history(switch: Switch) -> list[str]:
    """Keys of the kept models, the oldest first (their names are times)."""
    asked = {"Bucket": switch.bucket, "Prefix": HISTORY_PREFIX}
    rows = every(switch.client("s3"), "list_objects_v2", "Contents", **asked)
    return sorted(row["Key"] for row in rows)


def _keep_current(switch: Switch) -> None:
    stamp = f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}{time.time_ns() % 10**9:09d}"
    try:
        switch.client("s3").copy_object(
            Bucket=switch.bucket,
            Key=f"{HISTORY_PREFIX}{stamp}.onnx",
            CopySource={"Bucket": switch.bucket, "Key": CUSTOM_MODEL_KEY},
        )
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("NoSuchKey", "404"):
            raise
