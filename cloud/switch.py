"""The one switch: which cloud this process talks to, read from the environment in one place."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from cloud.credentials import DUMMY, AwsIdentity, emulator_session, refuse_dummies
from cloud.lab_keys import LabKeys, read_keys
from contract.clips import ContractError, check_device_id
from contract.names import Names

BACKENDS = ("embedded", "docker", "aws")
DEFAULT_PORT = 4566
DEFAULT_REGION = "us-east-1"
PREFIX = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,18}[a-z0-9])?")
ENDPOINT = re.compile(r"https?://[^/\s]")
ACCOUNT = re.compile(r"[0-9]{12}")


class InvalidSetting(ContractError):
    """An environment variable (or line of `.env`) with a value that can't be used."""


@dataclass(frozen=True)
class Switch:
    """Where the cloud is, and who we are to it.

    `backend` is None when nobody chose one: `make up` then looks for a Docker engine, and
    every client talks to the emulator on loopback either way. `endpoint_url` is None for
    AWS itself.
    """

    backend: str | None
    endpoint_url: str | None
    region: str | None
    device_id: str
    port: int
    names: Names = field(default_factory=Names)
    identity: AwsIdentity = field(default_factory=AwsIdentity)
    keys: Path | None = None
    in_account: str | None = None
    _making: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    @property
    def is_aws(self) -> bool:
        return self.backend == "aws"

    def client(self, service: str, **config: Any) -> Any:
        """A boto3 client. `config` goes to `botocore.config.Config`. Any thread may call.

        The emulator gets fixed dummy credentials, so that real ones never travel to it;
        AWS gets what the settings or the usual chain (profile, role) say, never dummies.
        """
        from botocore.config import Config

        if self.endpoint_url:
            # Virtual-host addressing would resolve bucket.localhost, which not every
            # resolver knows.
            config["s3"] = {"addressing_style": "path"}
            # A proxy of the environment or the system knows nothing of this machine's loopback.
            config["proxies"] = {}
        else:
            # An endpoint left in a profile or in AWS_ENDPOINT_URL_S3 would be a second switch.
            config["ignore_configured_endpoint_urls"] = True
        with self._making:  # boto3 sessions make one client at a time
            client = self._session.client(
                service,
                region_name=self.region,
                endpoint_url=self.endpoint_url,
                config=Config(**config),
            )
        if self.is_aws and not self.endpoint_url:
            client.meta.events.register_first("before-send", refuse_dummies)
        return client

    @cached_property
    def _session(self) -> Any:
        if self.is_aws:
            return self.identity.session()
        own = self.emulator_keys
        return emulator_session(own.access_key, own.secret_key)

    def of_account(self, account: str) -> Switch:
        """The same emulator seen from another of its accounts: each is empty until it is used.

        Raises
        ------
        InvalidSetting
            On AWS, for what is no account, and in a lab that knows its own keys only.
        """
        if self.is_aws:
            raise InvalidSetting("on AWS credentials say which account; AWS_PROFILE chooses them")
        if not ACCOUNT.fullmatch(account):
            raise InvalidSetting(f"account {account} has not twelve digits")
        if self.keys:
            raise InvalidSetting(
                "FACELAB_KEYS: this lab takes its own key only, and an account is named by its "
                "access key; start one without, FACELAB_KEYS= make up"
            )
        return replace(self, in_account=account)

    @property
    def emulator_keys(self) -> LabKeys:
        """What requests to the emulator are signed with: the lab's own pair, or dummies.

        Raises
        ------
        NoLabKeys
            When FACELAB_KEYS names no usable file.
        """
        if self.in_account:
            # The emulator takes an access key of twelve digits for the account.
            return LabKeys(self.in_account, DUMMY)
        return read_keys(self.keys) if self.keys else LabKeys(DUMMY, DUMMY)

    def renew(self) -> None:
        """Make the next client from credentials read anew: a session keeps what it read."""
        self.__dict__.pop("_session", None)

    @cached_property
    def account(self) -> str:
        return self.client("sts").get_caller_identity()["Account"]

    @property
    def bucket(self) -> str:
        return self.names.bucket(self.account, self.region_name)

    @property
    def region_name(self) -> str:
        """The region: the settings', else the profile's.

        Raises
        ------
        botocore.exceptions.NoRegionError
            When nobody names one. (An STS client would make do with `aws-global`.)
        """
        region = self.region or self._session.region_name
        if not region:
            from botocore.exceptions import NoRegionError

            raise NoRegionError()
        return region


def read_switch(
    environment: Mapping[str, str] | None = None, *, backend: str | None = None
) -> Switch:
    """Read the switch from `environment`; by default the process's, over the lines of `.env`.

    `backend` is for commands that mean one whatever FACELAB_BACKEND says.

    Raises
    ------
    InvalidSetting, InvalidDeviceId
        When a value can't be used; the message names the variable and the choices.
    """
    process, dotenv = (os.environ, _dotenv()) if environment is None else (environment, {})
    environment = {**dotenv, **process}
    backend = backend or environment.get("FACELAB_BACKEND") or None
    if backend not in (None, *BACKENDS):
        raise InvalidSetting(f"FACELAB_BACKEND={backend} is not one of {', '.join(BACKENDS)}")
    prefix = environment.get("FACELAB_PREFIX") or "facelab"
    if not PREFIX.fullmatch(prefix):
        raise InvalidSetting(f"FACELAB_PREFIX={prefix}: take 1-20 of a-z, 0-9 and inner hyphens")
    port = environment.get("FACELAB_PORT") or str(DEFAULT_PORT)
    if not port.isdecimal() or not 0 < int(port) < 65536:
        raise InvalidSetting(f"FACELAB_PORT={port} is not a port number")
    region = environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION") or None
    endpoint = environment.get("AWS_ENDPOINT_URL") or None
    if endpoint and not ENDPOINT.match(endpoint):
        raise InvalidSetting(
            f"AWS_ENDPOINT_URL={endpoint}: an address begins with http:// or https://"
        )
    if backend != "aws":
        endpoint = endpoint or f"http://127.0.0.1:{port}"
        region = region or DEFAULT_REGION
    return Switch(
        backend=backend,
        endpoint_url=endpoint,
        region=region,
        device_id=check_device_id(environment.get("FACELAB_DEVICE_ID") or "lab"),
        port=int(port),
        names=Names(prefix),
        identity=AwsIdentity.read(process, dotenv),
        keys=Path(environment["FACELAB_KEYS"]).absolute()
        if environment.get("FACELAB_KEYS")
        else None,
    )


def environment() -> dict[str, str]:
    """The process's variables over the lines of `.env`: what a setting is read from.

    Raises
    ------
    InvalidSetting
        When `.env` can't be read.
    """
    return {**_dotenv(), **os.environ}


def _dotenv() -> dict[str, str]:
    from dotenv import dotenv_values

    try:
        # Editors of Windows put a mark before the first line, which would be part of its name.
        found = dotenv_values(".env", encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidSetting(
            ".env is not UTF-8 (PowerShell's > writes UTF-16): save it as UTF-8"
        ) from error
    except OSError as error:
        raise InvalidSetting(f".env can't be read: {error.strerror}") from error
    return {name: value for name, value in found.items() if value is not None}
