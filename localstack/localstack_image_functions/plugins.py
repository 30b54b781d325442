"""Where LocalStack finds this plugin (see the entry points in pyproject.toml)."""

from __future__ import annotations

import faulthandler
import functools
import gc
import logging
import os
import sys
import threading
from typing import Any

from localstack.runtime import hooks
from localstack.runtime.server.core import RuntimeServer, RuntimeServerPlugin
from localstack.services.lambda_.invocation.plugins import RuntimeExecutorPlugin

LOG = logging.getLogger(__name__)
EXECUTOR = "image"
SLOW_END_S = 8


class ImageExecutorPlugin(RuntimeExecutorPlugin):
    """Chosen by LAMBDA_RUNTIME_EXECUTOR=image."""

    name = EXECUTOR

    def load(self, *_: Any, **__: Any) -> type:
        from localstack_image_functions import direct_calls, event_sources, executor, upstream

        direct_calls.call_directly()
        event_sources.wait_for_messages()
        upstream.resolve_images_through_ecr()
        upstream.iterate_over_environments_safely()
        upstream.delete_what_never_started()
        upstream.queue_events_instead_of_throttling()
        executor.hand_over_client_context()
        executor.configure()
        return executor.ExecutorByPackageType


class ThreadServerPlugin(RuntimeServerPlugin):
    """Chosen by GATEWAY_SERVER=threads."""

    name = "threads"

    def load(self, *_: Any, **__: Any) -> RuntimeServer:
        from localstack_image_functions.gateway.server import thread_server

        return thread_server()


# Before LocalStack imports itself.
@hooks.on_runtime_create()
def start_lightly() -> None:
    """Load once what is needed, and look for no garbage: a start makes none, and looking through
    what it makes again and again takes a tenth of it."""
    if not _chosen():
        return
    from localstack_image_functions import memory

    gc.disable()
    memory.share_service_models()
    memory.put_off_imports()


@hooks.on_infra_start()
def prepare_emulator() -> None:
    """Mend what must work from the start, and end the functions of a killed predecessor."""
    if not _chosen():
        return
    from localstack_image_functions import queues, upstream
    from localstack_image_functions.bounds.answers import answer_as_documented
    from localstack_image_functions.bounds.refusing import refuse_what_breaks_bounds
    from localstack_image_functions.executor import make_backend
    from localstack_image_functions.fidelity import tell_what_has_no_effect
    from localstack_image_functions.gateway.guard import allowed_by, guard_gateway, secrets_of
    from localstack_image_functions.recursion import end_loops
    from localstack_image_functions.s3.hosts import serve_buckets_below
    from localstack_image_functions.s3.signatures import verify_presigned
    from localstack_image_functions.settings import read_settings
    from localstack_image_functions.stacks.applying import apply_what_templates_say
    from localstack_image_functions.urls.serving import serve_function_urls

    upstream.call_in_memory()
    upstream.keep_files_in_own_folder()
    upstream.log_what_changes_or_fails()
    upstream.give_back_what_nobody_receives()
    upstream.load_services_in_older_pythons()
    upstream.name_bytes_in_older_pythons()
    upstream.look_for_operations_once()
    upstream.count_in_memory()
    upstream.answer_about_logs()
    upstream.read_streams_of_tables()
    upstream.count_loops_through_topics()
    settings = read_settings()
    upstream.say_how_to_switch_on(settings.services_setting)
    upstream.say_what_is_not_emulated()
    serve_function_urls(settings.key_pair, settings.url_form)
    tell_what_has_no_effect()
    answer_as_documented()
    queues.answer_as_documented()
    refuse_what_breaks_bounds()
    end_loops()
    apply_what_templates_say()
    backend = make_backend(settings)
    guard_gateway(settings.hosts, settings.key_pair, backend.registry, backend.is_from_function)
    verify_presigned(secrets_of(settings.key_pair))
    serve_buckets_below(allowed_by(settings.hosts).names)
    backend.sweep()
    backend.prepare()


# After everything else is prepared, before the gateway listens.
@hooks.on_infra_start(priority=-100)
def load_state() -> None:
    """Bring back what is kept."""
    if _chosen():
        _state().load()


# Before the scripts of ready.d.
@hooks.on_infra_ready(priority=100)
def serve_state() -> None:
    """From now on all changes are kept, and functions are invoked."""
    if _chosen():
        from localstack_image_functions.async_events import serving

        _state().serve()
        serving.set()
        threading.Thread(target=_collect_garbage_from_now_on, daemon=True).start()


def _collect_garbage_from_now_on() -> None:
    gc.collect()
    gc.freeze()  # classes and functions stay: no later collection looks through them
    gc.enable()


# Before LocalStack stops its services.
@hooks.on_infra_shutdown(priority=100)
def end_at_once() -> None:
    """End like a power switch that saves first: stopping each service takes ten seconds.

    What is kept is on disk, and what is not would go anyway.
    """
    if not _chosen():
        return
    from localstack_image_functions.executor import shutting_down

    shutting_down.set()
    # Whoever waits for us kills us soon: then the log says where each thread was.
    faulthandler.dump_traceback_later(SLOW_END_S)
    _state().save()
    _end_functions()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


@functools.cache
def _state() -> Any:
    from localstack_image_functions.settings import read_settings
    from localstack_image_functions.state.plugin import StatePlugin

    return StatePlugin(read_settings())


# After LocalStack has stopped them.
@hooks.on_infra_shutdown(priority=-100)
def leave_nothing_behind() -> None:
    """Where the end came in another way (the state could not be saved): end functions all the same,
    and remove what was made for them."""
    if _chosen():
        _end_functions()


def _end_functions() -> None:
    from localstack_image_functions.executor import make_backend
    from localstack_image_functions.settings import read_settings

    backend = make_backend(read_settings())
    backend.sweep()
    backend.leave()


def _chosen() -> bool:
    return os.environ.get("LAMBDA_RUNTIME_EXECUTOR") == EXECUTOR
