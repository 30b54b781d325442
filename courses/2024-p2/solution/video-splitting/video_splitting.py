"""Takes a picture out of a video, puts it into the stage-1 bucket, and calls face-recognition."""

import io
import json
import os
from pathlib import PurePath
from urllib.parse import unquote_plus

import av
import boto3
import cv2

S3, LAMBDA = boto3.client("s3"), boto3.client("lambda")
STAGE_1 = f"{os.environ['STUDENT_ID']}-stage-1"


def handler(event, context):
    for record in event["Records"]:
        bucket, key = record["s3"]["bucket"]["name"], unquote_plus(record["s3"]["object"]["key"])
        video = S3.get_object(Bucket=bucket, Key=key)["Body"].read()
        with av.open(io.BytesIO(video)) as opened:
            frame = next(opened.decode(video=0))
        jpeg = cv2.imencode(".jpg", frame.to_ndarray(format="bgr24"))[1].tobytes()
        name = f"{PurePath(key).stem}.jpg"
        S3.put_object(Bucket=STAGE_1, Key=name, Body=jpeg, ContentType="image/jpeg")
        LAMBDA.invoke(
            FunctionName="face-recognition",
            InvocationType="Event",
            Payload=json.dumps({"bucket_name": STAGE_1, "image_file_name": name}),
        )
