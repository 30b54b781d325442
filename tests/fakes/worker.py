"""A worker process of the dashboard's that does what it is told."""

from __future__ import annotations

import os

from botocore.exceptions import ClientError

from scripts.dashboard.cloud_worker import told
from scripts.dashboard.worker import serve


def answer(question: bytes) -> bytes:
    if question == b"die":
        os._exit(9)
    if question == b"refuse":
        raise ClientError({"Error": {"Code": "Busy", "Message": "the lab is full"}}, "GetObject")
    return str(os.getpid()).encode()


if __name__ == "__main__":
    serve(answer, told)
