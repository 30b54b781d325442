"""What of the host a function set apart can see: nothing but what it needs to run."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from localstack_image_functions.process.union import Union

SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
OF_ETC = (
    "alternatives",
    "ca-certificates.conf",
    "crypto-policies",
    "fonts",
    "gai.conf",
    "host.conf",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "localtime",
    "mime.types",
    "nsswitch.conf",
    "os-release",
    "pki/ca-trust",
    "pki/tls",
    "protocols",
    "services",
    "ssl/cert.pem",
    "ssl/certs",
    "ssl/openssl.cnf",
    "timezone",
)
# How many CPUs there are, and of what kind: thread pools and math libraries ask.
OF_SYS = ("/sys/devices/system/cpu", "/sys/devices/system/node")
RESOLVER = "/etc/resolv.conf"
# What of a program's installation is more than the program: never a home's other folders.
OF_INSTALLATION = ("bin", "sbin", "lib", "lib64", "libexec", "ssl", "share/zoneinfo", "include")
# The user that AWS runs functions as.
FUNCTION_UID, FUNCTION_GID = 993, 990
PASSWD = (
    "root:x:0:0:root:/root:/usr/sbin/nologin\n"
    f"sbx_user1051:x:{FUNCTION_UID}:{FUNCTION_GID}::/tmp:/usr/sbin/nologin\n"
)
# What every function has of its own, whatever its image has there.
OWN_PLACES = frozenset({"/dev", "/proc", "/sys", "/tmp"})  # noqa: S108
GROUP = f"root:x:0:\nsbx_user1051:x:{FUNCTION_GID}:\n"


@dataclass(frozen=True)
class View:
    """The function's root: `shown` (host's path, place), `links` and `files` by place."""

    shown: tuple[tuple[str, str], ...]
    links: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)


def view_of(
    programs: Iterable[str],
    folders: Iterable[Path],
    hosts: Mapping[str, str],
    resolver: bool,
    image: Path | None = None,
) -> View:
    """What a function needs: the system, its own programs' installations and `folders`.

    `hosts` (name -> address) becomes /etc/hosts; with `resolver` the host's name servers are
    shown too. The files below `image` are shown at their own places, before the host's.
    """
    links = {}
    wanted = []
    for place in SYSTEM:
        path = Path(place)
        if path.is_symlink():
            links[place] = os.readlink(place)  # noqa: PTH115  as it stands, relative or not
        elif path.is_dir():
            wanted.append(path)
    wanted += [path for name in OF_ETC if (path := Path("/etc") / name).exists()]
    wanted += [path for name in OF_SYS if (path := Path(name)).exists()]
    if resolver:
        wanted.append(Path(RESOLVER))
    for program in programs:
        wanted += [path for path in installation_of(Path(program)) if path.exists()]
    wanted += folders
    names = "".join(f"{address}\t{name}\n" for name, address in hosts.items())
    files = {"/etc/passwd": PASSWD, "/etc/group": GROUP, "/etc/hosts": names}
    shown = dict(_without_nested(wanted, links))
    if image is None:
        return View(tuple(shown.items()), links, files)
    places = {place: source for source, place in shown.items()}
    union = Union(places, links, OWN_PLACES | files.keys())
    union.lay_over(image)
    return View(
        tuple((source, place) for place, source in union.places.items()), union.links, files
    )


def installation_of(program: Path) -> Iterator[Path]:
    """The folders that a program needs: its installation, and of each it links or refers to."""
    seen: set[Path] = set()
    waiting = [program]
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        yield from _folders_beside(path)
        if path.is_symlink():
            waiting.append(Path(os.path.normpath(path.parent / path.readlink())))
        waiting += _base_programs(path)


def _folders_beside(program: Path) -> Iterator[Path]:
    prefix = program.parent.parent
    if program.parent.name not in ("bin", "sbin"):
        yield program
    elif (prefix / "pyvenv.cfg").is_file():
        yield prefix
    else:
        yield from (prefix / name for name in OF_INSTALLATION)


def _base_programs(program: Path) -> Iterator[Path]:
    """A virtual environment's Python and a script's interpreter."""
    try:
        settings = (program.parent.parent / "pyvenv.cfg").read_text()
    except OSError:
        settings = ""
    for line in settings.splitlines():
        name, _, value = line.partition("=")
        if name.strip() == "home" and value.strip():
            yield Path(value.strip()) / "python3"
    try:
        with program.open("rb") as file:
            first = file.readline(256)
    except OSError:
        return
    if first.startswith(b"#!"):
        interpreter = first[2:].split()[:1]
        yield from (Path(os.fsdecode(name)) for name in interpreter if name.startswith(b"/"))


def _without_nested(wanted: Iterable[Path], links: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """(source, place), each once: what lies below something shown is shown already."""
    shown: set[Path] = {Path(place) for place in links}
    for path in sorted(set(wanted), key=lambda path: len(path.parts)):
        if not shown & {path, *path.parents}:
            shown.add(path)
            yield str(path), str(path)
