"""This plugin's own environment variables, all read in one place; LocalStack's and Docker's that it
looks at stand where they matter."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from localstack_image_functions.errors import InvalidSetting

SANDBOXES = ("process", "container")
URL_FORMS = ("path", "name")
DEFAULT_STATE_MB = 2000
DAY_S = 86_400


@dataclass(frozen=True)
class Settings:
    """How image functions are run.

    `sandbox` (IMAGE_FUNCTIONS_SANDBOX) is `process` or `container`; `lab`
    (IMAGE_FUNCTIONS_LAB) tells several emulators on one machine apart when leftovers are
    swept. For processes, `store` (IMAGE_FUNCTIONS_STORE) is the bundle store,
    `temporary_root` (IMAGE_FUNCTIONS_TMP) holds the functions' /tmp, `runtimes`
    (IMAGE_FUNCTIONS_RUNTIMES) what runs zip functions, and `isolate`
    (IMAGE_FUNCTIONS_ISOLATION, `auto` or `off`) sets them apart where the system can;
    `shown` (IMAGE_FUNCTIONS_SHOW, separated by colons) are further paths of the host that they
    may read. `internet` (IMAGE_FUNCTIONS_INTERNET, `off` or `on`) lets functions reach more
    than the emulator, `open_ports` (IMAGE_FUNCTIONS_OPEN, `HOST:PORT` separated by commas) these
    alone.
    `hosts` (IMAGE_FUNCTIONS_HOSTS, separated by commas) are further names of the gateway; with
    `key_pair` (IMAGE_FUNCTIONS_ACCESS_KEY_ID, IMAGE_FUNCTIONS_SECRET_ACCESS_KEY) it takes only what
    that pair, or credentials of a role, have signed.
    `registry_host` (IMAGE_FUNCTIONS_REGISTRY) is where the container engine reaches the registry
    behind ECR, `registry_url` (IMAGE_FUNCTIONS_REGISTRY_URL) where this process does, `network`
    (LAMBDA_DOCKER_NETWORK) what function containers join, and `zip_image`
    (IMAGE_FUNCTIONS_ZIP_IMAGE) the engine's image with the runtimes of zip functions.
    `state` (IMAGE_FUNCTIONS_STATE) is the folder in which LocalStack's state outlives it, None
    for nowhere; beyond `state_budget_mb` (IMAGE_FUNCTIONS_STATE_MB) it warns. `day_s`
    (IMAGE_FUNCTIONS_DAY_S) is how many seconds a day of expiry rules lasts, for tests of them.
    `services_setting` (IMAGE_FUNCTIONS_SERVICES_SETTING) is what an API that is off names as the
    setting that switches it on.
    `url_form` (IMAGE_FUNCTIONS_URLS, `path` or `name`) is how addresses of function URLs are told:
    with a path that every machine finds, or with a name of AWS's form, where names below this
    machine's resolve.
    """

    sandbox: str
    lab: str
    store: Path | None
    temporary_root: Path | None
    runtimes: Path | None = None
    isolate: bool = True
    hosts: tuple[str, ...] = ()
    key_pair: tuple[str, str] | None = field(default=None, repr=False)
    registry_host: str | None = None
    registry_url: str | None = None
    network: str | None = None
    zip_image: str | None = None
    shown: tuple[Path, ...] = ()
    internet: bool = False
    open_ports: tuple[tuple[str, int], ...] = ()
    state: Path | None = None
    state_budget_mb: int = DEFAULT_STATE_MB
    services_setting: str = "SERVICES"
    day_s: int = DAY_S
    url_form: str = URL_FORMS[0]


def read_settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings.

    Raises
    ------
    InvalidSetting
        When a value can't be used; the message names the variable.
    """
    sandbox = environment.get("IMAGE_FUNCTIONS_SANDBOX") or "process"
    if sandbox not in SANDBOXES:
        raise InvalidSetting(
            f"IMAGE_FUNCTIONS_SANDBOX={sandbox} is not one of {', '.join(SANDBOXES)}"
        )
    lab = environment.get("IMAGE_FUNCTIONS_LAB") or "lab"
    if "/" in lab:
        raise InvalidSetting(f"IMAGE_FUNCTIONS_LAB={lab} may not contain a slash")
    isolation = environment.get("IMAGE_FUNCTIONS_ISOLATION") or "auto"
    if isolation not in ("auto", "off"):
        raise InvalidSetting(f"IMAGE_FUNCTIONS_ISOLATION={isolation} is not one of auto, off")
    url_form = environment.get("IMAGE_FUNCTIONS_URLS") or URL_FORMS[0]
    if url_form not in URL_FORMS:
        raise InvalidSetting(
            f"IMAGE_FUNCTIONS_URLS={url_form} is not one of {', '.join(URL_FORMS)}"
        )
    internet = environment.get("IMAGE_FUNCTIONS_INTERNET") or "off"
    if internet not in ("off", "on"):
        raise InvalidSetting(f"IMAGE_FUNCTIONS_INTERNET={internet} is not one of off, on")
    return Settings(
        sandbox=sandbox,
        lab=lab,
        store=_folder(environment, "IMAGE_FUNCTIONS_STORE"),
        temporary_root=_folder(environment, "IMAGE_FUNCTIONS_TMP"),
        runtimes=_folder(environment, "IMAGE_FUNCTIONS_RUNTIMES"),
        isolate=isolation == "auto",
        key_pair=_key_pair(environment),
        registry_host=environment.get("IMAGE_FUNCTIONS_REGISTRY") or None,
        registry_url=environment.get("IMAGE_FUNCTIONS_REGISTRY_URL") or None,
        network=environment.get("LAMBDA_DOCKER_NETWORK") or None,
        zip_image=environment.get("IMAGE_FUNCTIONS_ZIP_IMAGE") or None,
        hosts=tuple(
            name.strip().lower()
            for name in environment.get("IMAGE_FUNCTIONS_HOSTS", "").split(",")
            if name.strip()
        ),
        shown=_paths(environment, "IMAGE_FUNCTIONS_SHOW"),
        internet=internet == "on",
        open_ports=_ports(environment, "IMAGE_FUNCTIONS_OPEN"),
        state=_folder(environment, "IMAGE_FUNCTIONS_STATE"),
        services_setting=environment.get("IMAGE_FUNCTIONS_SERVICES_SETTING") or "SERVICES",
        state_budget_mb=_count(environment, "IMAGE_FUNCTIONS_STATE_MB", DEFAULT_STATE_MB),
        day_s=_count(environment, "IMAGE_FUNCTIONS_DAY_S", DAY_S),
        url_form=url_form,
    )


def _paths(environment: Mapping[str, str], name: str) -> tuple[Path, ...]:
    values = tuple(Path(value) for value in environment.get(name, "").split(":") if value)
    for path in values:
        if not path.is_absolute() or not path.exists():
            raise InvalidSetting(f"{name}: {path} is not an absolute path that exists")
    return values


def _ports(environment: Mapping[str, str], name: str) -> tuple[tuple[str, int], ...]:
    found = []
    for value in filter(None, environment.get(name, "").replace(" ", "").split(",")):
        host, _, port = value.rpartition(":")
        if not host or not port.isdecimal() or not 0 < int(port) < 65_536:
            raise InvalidSetting(f"{name}: {value} is not HOST:PORT")
        found.append((host, int(port)))
    if len({port for _, port in found}) < len(found):
        raise InvalidSetting(f"{name}: a port can be opened for one host only")
    return tuple(found)


def _key_pair(environment: Mapping[str, str]) -> tuple[str, str] | None:
    names = ("IMAGE_FUNCTIONS_ACCESS_KEY_ID", "IMAGE_FUNCTIONS_SECRET_ACCESS_KEY")
    access_key, secret_key = (environment.get(name) or "" for name in names)
    if bool(access_key) != bool(secret_key):
        raise InvalidSetting(f"{names[0]} and {names[1]} belong together: one is not set")
    return (access_key, secret_key) if access_key else None


def _folder(environment: Mapping[str, str], name: str) -> Path | None:
    value = environment.get(name)
    return Path(value).absolute() if value else None


def _count(environment: Mapping[str, str], name: str, default: int) -> int:
    value = environment.get(name) or str(default)
    if not value.isdecimal() or int(value) == 0:
        raise InvalidSetting(f"{name}={value} is not a whole number above 0")
    return int(value)
