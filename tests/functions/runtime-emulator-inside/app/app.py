def handler(event, context):
    return {"form": "runtime-emulator-inside"}
