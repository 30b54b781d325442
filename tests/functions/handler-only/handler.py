import iniconfig


def handler(event, context):
    return {"form": "handler-only", "iniconfig": bool(iniconfig.IniConfig)}
