"""The least that one device may do: put its own clips, take its own results."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cloud.switch import Switch
from contract.clips import PREFIX, check_device_id


@dataclass(frozen=True)
class LabPlace:
    """Where a lab is, as ARNs say it."""

    partition: str
    region: str
    account: str
    bucket: str

    @classmethod
    def of(cls, switch: Switch) -> LabPlace:
        """Asks the cloud for the account."""
        partition = switch.client("sqs").meta.partition
        return cls(partition, switch.region_name, switch.account, switch.bucket)


def device_policy(place: LabPlace, queue: str, device_id: str) -> dict[str, Any]:
    """The IAM policy document for one device's user or role.

    What else the device calls, sts:GetCallerIdentity for the bucket's name, needs no right.
    """
    clips = f"{place.bucket}/{PREFIX}{check_device_id(device_id)}/*"
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "PutItsClips",
                "Effect": "Allow",
                "Action": "s3:PutObject",
                "Resource": f"arn:{place.partition}:s3:::{clips}",
            },
            {
                "Sid": "TakeItsResults",
                "Effect": "Allow",
                "Action": [
                    "sqs:ChangeMessageVisibility",  # what an ended viewer had received goes back
                    "sqs:DeleteMessage",
                    "sqs:GetQueueUrl",
                    "sqs:ReceiveMessage",
                ],
                "Resource": f"arn:{place.partition}:sqs:{place.region}:{place.account}:{queue}",
            },
        ],
    }
