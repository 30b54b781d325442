"""Who we are to AWS: what the settings say of it, and boto3 sessions made from that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from contract.clips import ContractError

# The emulator takes any credentials; these are what it gets, and what AWS never gets.
DUMMY = "test"
WHO = ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_ACCESS_KEY_ID")
_UNSET = (None, None, None, None)


class DummyCredentials(ContractError):
    """A request to AWS itself would have carried the emulator's dummy credentials."""


@dataclass(frozen=True)
class AwsIdentity:
    """What boto3 reads from the environment, so that it may stand in `.env` as well.

    What is None here is left to boto3's usual chain (shared files, container, instance role).
    """

    profile: str | None = None
    access_key: str | None = None
    secret_key: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)
    config_file: str | None = None
    credentials_file: str | None = None
    ca_bundle: str | None = None

    @classmethod
    def read(cls, process: Mapping[str, str], dotenv: Mapping[str, str]) -> AwsIdentity:
        """Settings of the process over lines of `.env`.

        Who we are comes from one of the two as a whole: a key of one with the session token
        or the profile of the other would be nobody, or somebody else.
        """
        who = process if any(process.get(name) for name in WHO) else dotenv
        both = {**dotenv, **process}
        return cls(
            profile=who.get("AWS_PROFILE") or who.get("AWS_DEFAULT_PROFILE") or None,
            access_key=who.get("AWS_ACCESS_KEY_ID") or None,
            secret_key=who.get("AWS_SECRET_ACCESS_KEY") or None,
            session_token=who.get("AWS_SESSION_TOKEN") or None,
            config_file=both.get("AWS_CONFIG_FILE") or None,
            credentials_file=both.get("AWS_SHARED_CREDENTIALS_FILE") or None,
            ca_bundle=both.get("AWS_CA_BUNDLE") or None,
        )

    def session(self) -> Any:
        """A new boto3 session; it reads shared files anew, so renewed credentials count."""
        import boto3
        import botocore.session

        core = botocore.session.Session(profile=self.profile)
        for name in ("config_file", "credentials_file", "ca_bundle"):
            if value := getattr(self, name):
                core.set_config_variable(name, value)
        if self.access_key and self.secret_key:
            core.set_credentials(self.access_key, self.secret_key, self.session_token)
        return boto3.session.Session(botocore_session=core)


def emulator_session(access_key: str = DUMMY, secret_key: str = DUMMY) -> Any:
    """A boto3 session with dummy credentials or the lab's own pair.

    It is blind to this person's profiles and keys.
    """
    import boto3

    return boto3.session.Session(botocore_session=emulator_core(access_key, secret_key))


def emulator_core(access_key: str, secret_key: str) -> Any:
    """The same as botocore's session, without what boto3 puts on top."""
    import botocore.session

    core = botocore.session.Session(
        # A profile named in the environment need not exist here, and its settings (endpoint,
        # dual stack, addressing) are meant for AWS.
        session_vars=dict.fromkeys(("profile", "config_file", "credentials_file"), _UNSET)
    )
    core.set_credentials(access_key, secret_key)
    return core


def refuse_dummies(request: Any, **_: Any) -> None:
    """A `before-send` hook for clients of AWS itself.

    Raises
    ------
    DummyCredentials
        When the request is signed with the emulator's credentials.
    """
    signed_by = request.headers.get("Authorization", b"")
    if isinstance(signed_by, str):
        signed_by = signed_by.encode()
    if f"Credential={DUMMY}/".encode() in signed_by:
        raise DummyCredentials(
            f"the credentials for AWS are the emulator's dummies (access key {DUMMY!r}): "
            "name a profile in AWS_PROFILE, or run `aws configure`"
        )
