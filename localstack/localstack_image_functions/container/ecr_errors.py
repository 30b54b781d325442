"""Errors that ECR's API defines."""

from __future__ import annotations


class EcrError(Exception):
    """An error that ECR's API defines. `code` is its name."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
