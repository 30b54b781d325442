"""Who is in a clip: the person's name, major and year, from the students' table to the queue."""

import json
import os
from pathlib import Path
from urllib.parse import unquote_plus

import boto3

from recognition import Gallery, Recognizer

HERE = Path(__file__).parent
STUDENT = os.environ["STUDENT_ID"]
S3, SQS = boto3.client("s3"), boto3.client("sqs")
STUDENTS = boto3.resource("dynamodb").Table(f"{STUDENT}-students")
QUEUE = SQS.get_queue_url(QueueName=f"{STUDENT}-results")["QueueUrl"]
RECOGNIZER = Recognizer.load(HERE / "models")
CLASS = Gallery.from_bytes((HERE / "people" / "gallery.npz").read_bytes())
NAMES = {
    one["person_id"]: one["name"]
    for one in json.loads((HERE / "people" / "roster.json").read_text())
}


def handler(event, context):
    for record in event["Records"]:
        bucket, key = record["s3"]["bucket"]["name"], unquote_plus(record["s3"]["object"]["key"])
        clip = S3.get_object(Bucket=bucket, Key=key)["Body"].read()
        faces = RECOGNIZER.recognize(clip, CLASS, None).faces
        known = [NAMES[face.person_id] for face in faces if face.person_id]
        found = STUDENTS.get_item(Key={"name": known[0]}).get("Item") if known else None
        message = {"clip": key, **(found or {"name": "unknown"})}
        SQS.send_message(QueueUrl=QUEUE, MessageBody=json.dumps(message))
