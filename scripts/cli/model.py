"""`facelab model`: which custom model is in service."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cloud.switch import read_switch
from scripts.cli.parsing import task_parser
from scripts.console import Progress, print_json, run_command
from scripts.errors import LabError
from scripts.gallery import model


def main(arguments: list[str] | None = None) -> int:
    parser = task_parser("model", model.__doc__)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--model", type=Path, help="custom.onnx as training exported it")
    what.add_argument("--rollback", action="store_true", help="back to the one before")
    what.add_argument("--history", action="store_true", help="list the kept models")
    options = parser.parse_args(arguments)
    switch, progress = read_switch(), Progress()
    if options.history:
        outcome: dict[str, Any] = {"kept": model.history(switch)}
        if not options.json:
            print("\n".join(outcome["kept"]) or "no earlier model is kept")
    elif options.rollback:
        with progress.usual("going back", "model rollback"):
            outcome = {"restored": model.roll_back(switch)}
        progress(f"{outcome['restored']} is live within seconds")
    else:
        if not options.model.is_file():
            raise LabError(f"there is no {options.model}", "MODEL= takes the exported custom.onnx")
        with progress.usual("deploying the model", "model deploy"):
            deployed = model.deploy(switch, options.model.read_bytes())
        outcome = {"labels": list(deployed.labels), "kept": model.history(switch)}
        progress(f"{options.model} is live within seconds; it knows {', '.join(deployed.labels)}")
    if options.json:
        print_json(outcome)
    return 0


if __name__ == "__main__":
    run_command(main)
