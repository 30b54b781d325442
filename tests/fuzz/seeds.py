"""The corpus that stands in the tree: a few good inputs of each kind, and what once broke."""

from __future__ import annotations

import json

import numpy as np

from contract.clips import ClipKey
from scripts.paths import ROOT
from tests.fakes.h264 import stream
from tests.fakes.results import ADA, ALAN, face, result
from tests.fuzz.targets import TARGETS

KEY = ClipKey("lab", "2026-11-22", "20261122T101112131Z-000001-abcdef")


SMALL = """\
FROM public.ecr.aws/lambda/python:3.11
COPY requirements.txt .
RUN pip install -r requirements.txt
COPY handler.py ${LAMBDA_TASK_ROOT}/
CMD ["handler.handler"]
"""
STAGES = """\
# syntax=docker/dockerfile:1
ARG VERSION=3.11
FROM python:${VERSION}-slim AS build
ENV HOME=/home/app PATH="/opt/bin:$PATH"
WORKDIR $HOME
COPY --chmod=755 src/*.py ./
RUN <<EOF
mkdir -p /opt/bin && pip install --target "$HOME" awslambdaric 'numpy<3'
EOF
COPY <<run.sh /opt/bin/
exec python -m awslambdaric "$@"
run.sh
FROM python:${VERSION}-slim
COPY --from=build /home/app /home/app
ENTRYPOINT ["python", "-m", "awslambdaric"]
CMD ["handler.handler"]
"""


def good() -> dict[str, dict[str, bytes]]:
    """For each target, named inputs that its reader takes."""
    from recognition import Gallery

    film = (ROOT / "fixtures" / "lab.h264").read_bytes()[:12_000]
    tiny = (TARGETS["decoder"].corpus / "tiny").read_bytes()  # four pictures of 64x48 px
    record = {
        "eventName": "ObjectCreated:Put",
        "s3": {"bucket": {"name": "b"}, "object": {"key": str(KEY), "size": 9, "eTag": "e"}},
    }
    events = {"Records": [record]}
    queued = {"Records": [{"eventSource": "aws:sqs", "body": json.dumps(events)}]}
    results = {
        "nobody": result("a").to_json().encode(),
        "two": result("a", face(ADA, ADA), face(None, ALAN)).to_json().encode(),
    }
    gallery = Gallery.of(["ada", "ada"], np.zeros((2, 128), np.float32)).to_bytes()
    post = b"POST /2018-06-01/runtime/invocation/x/response HTTP/1.1\r\nHost: x\r\n"
    return {
        "annexb": {"made": stream(4), "film": film[:2000]},
        "decoder": {"film": film, "made": stream(4), "tiny": tiny},
        "picture-size": {"film": film[4:40]},
        "event": {"s3": json.dumps(events).encode(), "sqs": json.dumps(queued).encode()},
        "letter": {
            "one": json.dumps({"requestPayload": events, "requestContext": {}}).encode(),
            "two": json.dumps({"requestPayload": {"Records": [record, record]}}).encode(),
            "queued": json.dumps({"requestPayload": queued}).encode(),
        },
        "dockerfile": {"small": SMALL.encode(), "stages": STAGES.encode()},
        "result": results,
        "message": results,
        "key": {"whole": str(KEY).encode(), "by-hand": "clips/lab/größe +.h264".encode()},
        "metadata": {"whole": b"1795000000000\n1795000000500\n3"},
        "gallery": {"two": gallery},
        "custom-model": {"shipped": (ROOT / "training/shipped/custom.onnx").read_bytes()[:3000]},
        "runtime-api": {
            "next": b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: x\r\n\r\n",
            "length": post + b"Content-Length: 2\r\n\r\n{}",
            "chunked": post + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        },
    }


def inputs(name: str) -> dict[str, bytes]:
    """The good inputs of a target and those that once broke it."""
    kept = {path.name: path.read_bytes() for path in sorted(TARGETS[name].corpus.glob("*"))}
    return {**good()[name], **kept}
