"""Finds the face in a picture that comes by Function URL, and hands it to the request queue."""

import base64
import json
import os
from pathlib import Path

import boto3
import cv2
import numpy as np

from recognition import Recognizer

SQS = boto3.client("sqs")
QUEUE = SQS.get_queue_url(QueueName=f"{os.environ['STUDENT_ID']}-req-queue")["QueueUrl"]
RECOGNIZER = Recognizer.load(Path(__file__).parent / "models")
MARGIN = 0.6  # of the face's size: the next function looks for its eyes and chin again


def handler(event, context):
    body = event["body"]
    if event.get("isBase64Encoded"):
        body = base64.b64decode(body)
    request = json.loads(body)
    picture = cv2.imdecode(
        np.frombuffer(base64.b64decode(request["content"]), np.uint8), cv2.IMREAD_COLOR
    )
    faces = RECOGNIZER.look(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB))
    if not faces:
        return _answer(404, {"request_id": request["request_id"], "error": "no face"})
    box = faces[0].box  # the largest
    margin = int(MARGIN * (box.bottom - box.top))
    face = picture[
        max(0, box.top - margin) : box.bottom + margin,
        max(0, box.left - margin) : box.right + margin,
    ]
    _, jpeg = cv2.imencode(".jpg", face, [cv2.IMWRITE_JPEG_QUALITY, 95])
    message = {
        "request_id": request["request_id"],
        "content": base64.b64encode(jpeg.tobytes()).decode(),
    }
    SQS.send_message(QueueUrl=QUEUE, MessageBody=json.dumps(message))
    return _answer(200, {"request_id": request["request_id"]})


def _answer(status, body):
    return {"statusCode": status, "body": json.dumps(body)}
