import iniconfig


def handler(event, context):
    return {"form": "escaped-by-backtick", "iniconfig": bool(iniconfig.IniConfig)}
