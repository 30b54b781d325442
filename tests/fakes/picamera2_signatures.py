"""Read the signatures that we rely on from picamera2's own source files.

`python -m tests.fakes.picamera2_signatures FOLDER_OF_PICAMERA2_SOURCES VERSION` writes
`picamera2_signatures.json` beside this file. Run it for a new release of picamera2; the tests
then show what of ours no longer fits. Nothing is imported: picamera2 needs a Pi.
"""

from __future__ import annotations

import ast
import json
import sys
from pathlib import Path

FACTS = Path(__file__).with_suffix(".json")
METHODS = {
    "picamera2/picamera2.py": {
        "Picamera2": [
            "__init__",
            "create_video_configuration",
            "configure",
            "start_recording",
            "stop_recording",
            "close",
        ]
    },
    "picamera2/request.py": {"CompletedRequest": ["get_metadata"]},
    "picamera2/outputs/output.py": {"Output": ["__init__", "start", "stop", "outputframe"]},
    "picamera2/encoders/h264_encoder.py": {"H264Encoder": ["__init__"]},
    "picamera2/encoders/libav_h264_encoder.py": {"LibavH264Encoder": ["__init__"]},
}
ATTRIBUTES = {
    "picamera2/picamera2.py": {"Picamera2": ["post_callback"]},
    "picamera2/encoders/encoder.py": {"Encoder": ["firsttimestamp"]},
    "picamera2/outputs/output.py": {"Output": ["recording"]},
}


def signature(function: ast.FunctionDef) -> dict[str, str | None]:
    """Parameter names with their defaults as written; None where there is no default."""
    names = [argument.arg for argument in function.args.args[1:]]
    defaults = [ast.unparse(default) for default in function.args.defaults]
    return dict(zip(names, [None] * (len(names) - len(defaults)) + defaults, strict=True))


def read(sources: Path) -> dict:
    facts: dict = {"methods": {}, "attributes": {}}
    for file in sorted({*METHODS, *ATTRIBUTES}):
        tree = ast.parse((sources / file).read_text("utf-8"))
        for node in [n for n in ast.walk(tree) if isinstance(n, ast.ClassDef)]:
            functions = {n.name: n for n in node.body if isinstance(n, ast.FunctionDef)}
            for name in METHODS.get(file, {}).get(node.name, []):
                facts["methods"][f"{node.name}.{name}"] = signature(functions[name])
            assigned = {
                n.attr
                for n in ast.walk(node)
                if isinstance(n, ast.Attribute) and isinstance(n.ctx, ast.Store)
            }
            for name in ATTRIBUTES.get(file, {}).get(node.name, []):
                if name not in assigned:
                    raise SystemExit(f"{node.name}.{name} is not assigned any more")
                facts["attributes"].setdefault(node.name, []).append(name)
    return facts


if __name__ == "__main__":
    FACTS.write_text(
        json.dumps({"version": sys.argv[2], **read(Path(sys.argv[1]))}, indent=1) + "\n"
    )
