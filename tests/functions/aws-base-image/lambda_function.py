import os
import sys
from importlib.metadata import version

import boto3


def handler(event, context):
    return {
        "form": "aws-base-image",
        "root": os.environ["LAMBDA_TASK_ROOT"],
        "directory": os.getcwd(),
        "file": __file__,
        "iniconfig": version("iniconfig"),
        "boto3": bool(boto3.__version__),
        "python": sys.version.split()[0],
        "name": event.get("name"),
    }
