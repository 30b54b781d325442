"""CloudWatch's metrics: what the emulator's services count, and what anybody puts."""

PROVIDER = "in-memory"
"""Name of the provider in LocalStack's list."""
