"""An artefact follows its newest good version, at little cost."""

import io
from dataclasses import dataclass, field

import pytest
from botocore.exceptions import ClientError

from artefacts import Artefact


@dataclass
class FakeS3:
    """get_object with ETags, as S3 answers it."""

    objects: dict[str, bytes] = field(default_factory=dict)
    calls: int = 0
    down: bool = False

    def get_object(self, Bucket, Key, IfNoneMatch=""):  # noqa: N803  boto3's names
        self.calls += 1
        if self.down:
            raise ClientError({"Error": {"Code": "ServiceUnavailable"}}, "GetObject")
        if Key not in self.objects:
            raise ClientError({"Error": {"Code": "NoSuchKey"}}, "GetObject")
        etag = f'"{hash(self.objects[Key])}"'
        if IfNoneMatch == etag:
            raise ClientError({"Error": {"Code": "304"}}, "GetObject")
        return {"Body": io.BytesIO(self.objects[Key]), "ETag": etag}


@pytest.fixture
def world():
    s3, now = FakeS3(), [0.0]
    artefact = Artefact(s3, "b", "k", lambda data: int(data), -1, 2.0, clock=lambda: now[0])

    def at(second: float) -> int:
        now[0] = second
        return artefact.get()

    return s3, artefact, at


def test_missing_object_is_the_missing_value_until_it_comes(world):
    s3, artefact, at = world
    assert (at(0), artefact.version) == (-1, "none")
    s3.objects["k"] = b"7"
    assert at(2) == 7


def test_new_version_is_seen_after_the_check_interval_and_not_asked_for_before(world):
    s3, _, at = world
    s3.objects["k"] = b"1"
    assert at(0) == 1
    s3.objects["k"] = b"2"
    assert (at(1.9), s3.calls) == (1, 1)
    assert at(2) == 2


def test_unreadable_upload_keeps_the_last_good_version(world):
    s3, _, at = world
    s3.objects["k"] = b"1"
    at(0)
    s3.objects["k"] = b"not a number"
    assert at(3) == 1
    s3.objects["k"] = b"3"
    assert at(6) == 3


def test_removed_object_is_not_served_from_memory(world):
    s3, _, at = world
    s3.objects["k"] = b"1"
    at(0)
    s3.objects.clear()
    assert at(2) == -1


def test_outage_is_the_callers_to_retry(world):
    s3, _, at = world
    s3.down = True
    with pytest.raises(ClientError):
        at(0)
