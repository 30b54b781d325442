import os


def handler(event, context):
    return {"form": "aws-alternative-base", "directory": os.getcwd(), "file": __file__}
