import os

import iniconfig


def handler(event, context):
    return {
        "form": "stages-and-arguments",
        "said": os.environ["SAID"],
        "iniconfig": bool(iniconfig.IniConfig),
    }
