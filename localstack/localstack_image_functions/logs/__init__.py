"""CloudWatch Logs that answer what was asked, or say that they do not."""

ANSWERING = "answering"
"""Name of the provider in LocalStack's list."""
