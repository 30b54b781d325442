"""What can go wrong. Each message says what happened; the docstring says what to do."""

from __future__ import annotations


class ImageFunctionsError(Exception):
    """Base of every error of this plugin."""


class InvalidSetting(ImageFunctionsError):
    """An environment variable of the emulator is missing or unusable: set it as named."""


class InvalidBundle(ImageFunctionsError):
    """A bundle can't be made of these files: see the path in the message."""


class BundleNotFound(ImageFunctionsError):
    """The store has no such bundle: build it, and put its manifest into ECR."""


class ImageNotFound(ImageFunctionsError):
    """The image URI names nothing in ECR: create the repository, put or push the image."""


class UnsupportedImage(ImageFunctionsError):
    """Lambda runs single images only: build without provenance, not as an index."""


class EntrypointNotFound(ImageFunctionsError):
    """The image's entry point can't be executed: check ENTRYPOINT and ImageConfig."""


class IsolationUnavailable(ImageFunctionsError):
    """Processes can't be set apart here: allow user namespaces, or read README.md's table."""


class EnvironmentStopped(ImageFunctionsError):
    """An invocation came for an environment that was stopped; LocalStack retries it elsewhere."""


class RuntimeNotFound(ImageFunctionsError):
    """No runtime for this zip function is here: see IMAGE_FUNCTIONS_RUNTIMES."""


class CodeTooLarge(ImageFunctionsError):
    """Code and layers are more than Lambda takes: deploy an image instead."""


class ZipFunctionsUnavailable(ImageFunctionsError):
    """LocalStack 4.13.1 can't import its own executor: run it on Python 3.13, with Docker."""
