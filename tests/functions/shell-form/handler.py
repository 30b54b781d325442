import os


def handler(event, context):
    return {"form": "shell-form", "who": os.environ["WHO"], "empty": os.environ["EMPTY"]}
