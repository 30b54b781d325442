"""Splits a video of the input bucket into pictures: NAME.mp4 becomes NAME/output-00.jpg and on.

The same as `ffmpeg -r 1 -i NAME.mp4 -vf fps=1/10 -vframes 10 output-%02d.jpg`: each tenth picture,
ten at most.
"""

import io
import itertools
import os
from pathlib import PurePath
from urllib.parse import unquote_plus

import av
import boto3
import cv2

S3 = boto3.client("s3")
STAGE_1 = f"{os.environ['STUDENT_ID']}-stage-1"
EVERY, AT_MOST = 10, 10


def handler(event, context):
    for record in event["Records"]:
        bucket, key = record["s3"]["bucket"]["name"], unquote_plus(record["s3"]["object"]["key"])
        video = S3.get_object(Bucket=bucket, Key=key)["Body"].read()
        for number, jpeg in enumerate(pictures(video)):
            name = f"{PurePath(key).stem}/output-{number:02d}.jpg"
            S3.put_object(Bucket=STAGE_1, Key=name, Body=jpeg, ContentType="image/jpeg")


def pictures(video):
    with av.open(io.BytesIO(video)) as opened:
        frames = itertools.islice(opened.decode(video=0), 0, EVERY * AT_MOST, EVERY)
        for frame in frames:
            yield cv2.imencode(".jpg", frame.to_ndarray(format="bgr24"))[1].tobytes()
