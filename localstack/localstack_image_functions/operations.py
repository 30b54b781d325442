"""What stands around every operation of every service: the one place that wraps LocalStack's."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from localstack.aws.api import RequestContext
from localstack.aws.skeleton import Skeleton

GoOn = Callable[[], Any]
"""Does the operation, and all that was put around it before."""


def stand_around(around: Callable[[RequestContext, GoOn], Any]) -> None:
    """From now on operations go through `around`, which gets the context and answers.

    What is put around later stands farther outside.
    """
    original = Skeleton.dispatch_request

    def dispatch_request(
        skeleton: Skeleton, serializer: Any, context: RequestContext, instance: Any
    ) -> Any:
        return around(context, lambda: original(skeleton, serializer, context, instance))

    Skeleton.dispatch_request = dispatch_request


def mended(original: Callable[..., Any], mend: Callable[..., Any]) -> Callable[..., Any]:
    """A provider's operation that `mend` answers; it gets provider, original and context first."""

    @functools.wraps(original)
    def answer(self: Any, context: Any, *arguments: Any, **options: Any) -> Any:
        return mend(self, original, context, *arguments, **options)

    return answer
