"""One target under atheris, in a process of its own: `python -m tests.fuzz.guided TARGET …`.

What follows the target goes to libFuzzer as it is.
"""

from __future__ import annotations

import sys

import atheris

if __name__ == "__main__":
    name = sys.argv[1]
    with atheris.instrument_imports(
        include=[
            "contract",
            "device",
            "recognition",
            "events",
            "failed_events",
            "reconcile_event",
            "localstack_image_functions",
            "scripts.functions.dockerfile",
        ],
        enable_loader_override=False,
    ):
        from tests.fuzz.targets import TARGETS

        for module in TARGETS[name].reads:
            __import__(module)
    atheris.Setup([sys.argv[0], *sys.argv[2:]], TARGETS[name].run)
    atheris.Fuzz()
