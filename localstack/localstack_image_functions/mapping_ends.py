"""Event source mappings that are changed or deleted end before they say so.

LocalStack makes a new worker for each change and stops the old one, and forgets the worker of a
mapping that is deleted; both go on for as long as they wait for messages.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from localstack.aws.api.lambda_ import ResourceInUseException
from localstack.services.lambda_.event_source_mapping.esm_worker import EsmState, EsmWorker

IN_USE = "Cannot {} the event source mapping because it is in use."


def end_before_saying_so() -> None:
    """Let a mapping's state be what its worker does.

    A worker that was replaced took messages under the old filter, or though the mapping was
    disabled, and then said that the mapping is disabled, though the new one works.
    """
    stop, start, poll, tell = (
        EsmWorker.stop, EsmWorker.start, EsmWorker.poller_loop, EsmWorker.update_esm_state_in_store
    )  # fmt: skip
    delete = EsmWorker.delete

    def stop_for_good(worker: Any) -> None:
        stop(worker)
        worker.is_replaced = True
        _take_no_more(worker)

    def start_running(worker: Any) -> None:
        worker.is_running = True
        start(worker)

    def delete_for_good(worker: Any) -> None:
        with worker._state_lock:
            worker.is_deleted = worker.enabled = True  # enabled: else its end is unexpected
            delete(worker)
            _take_no_more(worker)
            if not getattr(worker, "is_running", False):
                worker.delete_esm_in_store()

    def poll_until_deleted(worker: Any, *arguments: Any, **options: Any) -> None:
        try:
            if _is_deleted(worker):
                worker.poller.close()
            else:
                poll(worker, *arguments, **options)
        finally:
            with worker._state_lock:
                worker.is_running = False
                if _is_deleted(worker):
                    worker.delete_esm_in_store()

    def tell_if_current(worker: Any, state: Any) -> None:
        overtaken = _is_deleted(worker) and state != EsmState.DELETING
        if not overtaken and not getattr(worker, "is_replaced", False):
            tell(worker, state)

    EsmWorker.stop = stop_for_good
    EsmWorker.start = start_running
    EsmWorker.delete = delete_for_good
    EsmWorker.poller_loop = poll_until_deleted
    EsmWorker.update_esm_state_in_store = tell_if_current


def _take_no_more(worker: Any) -> None:
    stop_poller = getattr(worker.poller, "stop", None)  # a queue's poller has it
    if stop_poller is not None:
        stop_poller()


def _is_deleted(worker: Any) -> bool:
    return getattr(worker, "is_deleted", False)


def _delete(self: Any, original: Any, context: Any, uuid: str, **options: Any) -> Any:
    worker = self.esm_workers.get(uuid)
    _refuse_if_deleted(worker, "delete")
    answered = original(self, context, uuid, **options)
    if worker is not None:
        self.esm_workers[uuid] = worker  # as long as it runs, the mapping is there
    return answered


def _update(self: Any, original: Any, context: Any, request: Any) -> Any:
    _refuse_if_deleted(self.esm_workers.get(request.get("UUID")), "update")
    return original(self, context, request)


def _get(self: Any, original: Any, context: Any, uuid: str, **options: Any) -> Any:
    answered = original(self, context, uuid, **options)
    worker = self.esm_workers.get(uuid)
    return {**answered, "State": EsmState.DELETING} if _is_deleted(worker) else answered


def _refuse_if_deleted(worker: Any, what: str) -> None:
    if _is_deleted(worker) and getattr(worker, "is_running", False):
        raise ResourceInUseException(IN_USE.format(what), Type="User")


MENDED: Mapping[str, Callable[..., Any]] = {
    "delete_event_source_mapping": _delete,
    "get_event_source_mapping": _get,
    "update_event_source_mapping": _update,
}
"""What LambdaProvider does with a mapping that is being deleted."""
