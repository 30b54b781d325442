"""Records half-second clips with the Pi's camera and puts them into the videos bucket."""

import io
import os
import time
from concurrent.futures import ThreadPoolExecutor

import boto3
import picamera

BUCKET = f"{os.environ['STUDENT_ID']}-videos"
CLIPS, SECONDS = 20, 0.5
S3 = boto3.client("s3")


def upload(number, clip):
    S3.put_object(Bucket=BUCKET, Key=f"camera-{number:03d}.h264", Body=clip)


with (
    picamera.PiCamera(resolution=(640, 480), framerate=30) as camera,
    ThreadPoolExecutor(4) as pool,
):
    began = time.time()
    finished = None
    streams = (io.BytesIO() for _ in range(CLIPS))
    for number, stream in enumerate(camera.record_sequence(streams, format="h264")):
        # The one before ended when this one began.
        if finished is not None:
            pool.submit(upload, number - 1, finished.getvalue())
        camera.wait_recording(SECONDS)
        finished = stream
    pool.submit(upload, CLIPS - 1, finished.getvalue())
print(f"{CLIPS} clips in {time.time() - began:.1f} s")
