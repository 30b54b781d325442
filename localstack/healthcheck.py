"""Healthy once every init hook in ready.d has run; LocalStack alone answers much earlier."""

import json
import sys
from urllib.request import ProxyHandler, build_opener

URL = "http://127.0.0.1:4566/_localstack/init/ready"

try:
    with build_opener(ProxyHandler({})).open(URL, timeout=3) as answer:
        ready = json.load(answer)
except (OSError, ValueError) as error:
    sys.exit(f"LocalStack does not answer: {error}")
failed = [script["name"] for script in ready["scripts"] if script["state"] == "ERROR"]
if failed:
    sys.exit(f"failed: {', '.join(failed)}")
if not ready["completed"]:
    sys.exit("still provisioning")
