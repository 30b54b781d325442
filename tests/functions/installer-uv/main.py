import os


def handler(event, context):
    return {"form": "installer-uv", "directory": os.getcwd()}
