"""Docker's engine on this machine, and the images that the lab builds with it.

`docker-engine` and `base-image` run on a bare Python, before any environment stands.
"""

from __future__ import annotations

from pathlib import Path

from scripts.cli.parsing import task_parser, tell
from scripts.console import Progress
from scripts.docker import base_image, install_engine


def engine(arguments: list[str] | None = None) -> int:
    parser = task_parser("docker-engine", install_engine.__doc__)
    parser.add_argument(
        "--stop", action="store_true", help="stop what was started, remove what was installed"
    )
    parser.add_argument(
        "--folder",
        type=Path,
        help="a separate engine whose socket, data and log lie in this folder",
    )
    options = parser.parse_args(arguments)
    one = install_engine.Engine(options.folder)
    if options.stop:
        install_engine.take_away(one)
    else:
        progress = Progress()
        with progress.usual("providing Docker's engine", "docker-engine"):
            install_engine.provide(one, progress)
    found = {"host": one.host, "answers": one.answers()}
    tell(
        found,
        lambda told: f"{'a' if told['answers'] else 'no'} Docker engine answers at {told['host']}",
        as_json=options.json,
    )
    return 0


def image(arguments: list[str] | None = None) -> int:
    parser = task_parser("base-image", base_image.__doc__)
    parser.add_argument("--status", action="store_true", help="only say where it came from")
    options = parser.parse_args(arguments)
    progress = Progress()
    with progress.usual("looking for the base image", "base-image"):
        came = base_image.origin() if options.status else base_image.ensure(progress)
    tell(
        {"image": base_image.IMAGE, "origin": came},
        lambda told: f"{told['image']}: {told['origin']}",
        as_json=options.json,
    )
    return 0


def reproducible(arguments: list[str] | None = None) -> int:
    from scripts.docker import reproducible as images

    parser = task_parser("reproducible", images.__doc__)
    parser.add_argument("tags", nargs="+", metavar="TAG", help="as facelab-localstack:local")
    options = parser.parse_args(arguments)
    images.make_reproducible(*options.tags)
    tell(options.tags, "\n".join, as_json=options.json)
    return 0
