"""The Lambda Runtime API and the life of an execution environment, whatever runs it."""
