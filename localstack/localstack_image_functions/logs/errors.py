"""What is refused about logs. The messages go to the caller."""

from __future__ import annotations

from localstack_image_functions.errors import ImageFunctionsError


class InvalidPattern(ImageFunctionsError):
    """A filter pattern that CloudWatch Logs would not take: correct it as the message says."""


class InvalidInsightsQuery(ImageFunctionsError):
    """A query of Logs Insights that can't be read, or asks what is not calculated here."""
