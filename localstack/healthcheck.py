"""Healthy once every init hook in ready.d has run; LocalStack alone answers much earlier.

Runs every few seconds for as long as the container does, so it imports next to nothing: with
urllib each look cost a seventh of a second of a core.
"""

import json
import socket
import sys

REQUEST = b"GET /_localstack/init/ready HTTP/1.0\r\nHost: localhost\r\n\r\n"

try:
    with socket.create_connection(("127.0.0.1", 4566), timeout=3) as connection:
        connection.sendall(REQUEST)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    ready = json.loads(answer.partition(b"\r\n\r\n")[2])
except (OSError, ValueError) as error:
    sys.exit(f"LocalStack does not answer: {error}")
failed = [script["name"] for script in ready["scripts"] if script["state"] == "ERROR"]
if failed:
    sys.exit(f"failed: {', '.join(failed)}")
if not ready["completed"]:
    sys.exit("still provisioning")
