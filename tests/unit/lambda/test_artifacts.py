"""An artifact follows its newest good version, at little cost."""

import bz2
import io
import logging
import zlib
from dataclasses import dataclass, field
from hashlib import md5

import pytest
from botocore.exceptions import ClientError

from artifacts import Artifact

MISSING = -1


@dataclass
class FakeS3:
    """get_object with ETags, as S3 answers it."""

    objects: dict[str, bytes] = field(default_factory=dict)
    calls: int = 0
    read: int = 0
    problem: Exception | None = None

    def get_object(self, Bucket, Key, IfNoneMatch=""):  # noqa: N803  as boto3 calls them
        self.calls += 1
        if self.problem:
            raise self.problem
        if Key not in self.objects:
            raise ClientError({"Error": {"Code": "NoSuchKey"}}, "GetObject")
        data = self.objects[Key]
        etag = f'"{md5(data).hexdigest()}"'  # noqa: S324  what S3 does
        if IfNoneMatch == etag:
            raise ClientError({"Error": {"Code": "304"}}, "GetObject")
        return {"Body": self._body(data), "ETag": etag, "ContentLength": len(data)}

    def _body(self, data: bytes) -> io.BytesIO:
        world = self

        class Body(io.BytesIO):
            def read(self, *arguments):
                world.read += 1
                return super().read(*arguments)

        return Body(data)


@pytest.fixture
def world():
    s3, now = FakeS3(), [0.0]
    artifact = Artifact(s3, "b", "k", lambda data: int(data), MISSING, 20, 2.0, lambda: now[0])

    def at(second: float) -> int:
        now[0] = second
        artifact.refresh()
        return artifact.value

    return s3, artifact, at


def test_missing_object_is_the_missing_value_until_it_comes(world):
    s3, artifact, at = world
    assert (at(0), artifact.version) == (MISSING, "none")
    s3.objects["k"] = b"7"
    assert at(2) == 7


def test_new_version_is_seen_after_the_check_interval_and_not_asked_for_before(world):
    s3, _, at = world
    s3.objects["k"] = b"1"
    assert at(0) == 1
    s3.objects["k"] = b"2"
    assert (at(1.9), s3.calls) == (1, 1)
    assert at(2) == 2


def test_unchanged_version_is_not_read_again(world):
    s3, _, at = world
    s3.objects["k"] = b"1"
    assert [at(0), at(3), at(6)] == [1, 1, 1]
    assert (s3.calls, s3.read) == (3, 1)


def test_unreadable_upload_keeps_the_last_good_version_and_names_it(world):
    s3, artifact, at = world
    s3.objects["k"] = b"1"
    at(0)
    good = artifact.version
    s3.objects["k"] = b"not a number"
    assert (at(3), artifact.version) == (1, good)
    assert (at(5), s3.read) == (1, 2)  # looked at once
    s3.objects["k"] = b"3"
    assert at(7) == 3
    assert artifact.version != good


@pytest.mark.parametrize(
    "error",
    [
        zlib.error("bad"), NotImplementedError("packed"), MemoryError(), RecursionError(),
        OverflowError(), KeyError("x"), AssertionError(), ValueError("no"), OSError(bz2.__name__),
    ],
    ids=lambda error: type(error).__name__,
)  # fmt: skip
def test_whatever_a_library_makes_of_a_bad_upload_keeps_the_last_good_one(error):
    def parse(data: bytes) -> int:
        if data == b"bad":
            raise error
        return int(data)

    s3 = FakeS3({"k": b"1"})
    artifact = Artifact(s3, "b", "k", parse, MISSING, 20, check_every_s=0)
    artifact.refresh()
    s3.objects["k"] = b"bad"
    artifact.refresh()
    assert artifact.value == 1


def test_a_bad_upload_is_told_once(world, caplog):
    s3, _, at = world
    s3.objects["k"] = b"1"
    at(0)
    s3.objects["k"] = b"bad"
    with caplog.at_level(logging.ERROR):
        for second in range(2, 20, 2):
            at(second)
    (record,) = caplog.records
    assert "keeping the last good one" in record.message


def test_an_upload_of_too_many_bytes_is_not_read(world):
    s3, _, at = world
    s3.objects["k"] = b"1"
    at(0)
    s3.objects["k"] = b"0" * 21
    assert (at(3), s3.read) == (1, 1)


def test_removed_object_is_not_served_from_memory(world):
    s3, artifact, at = world
    s3.objects["k"] = b"1"
    at(0)
    s3.objects.clear()
    assert (at(2), artifact.version) == (MISSING, "none")
    s3.objects["k"] = b"1"
    assert at(4) == 1


@pytest.mark.parametrize(
    "problem",
    [ClientError({"Error": {"Code": "ServiceUnavailable"}}, "GetObject"), ConnectionError("cut")],
    ids=["refused", "cut"],
)
def test_outage_is_the_callers_to_retry_while_nothing_is_held(world, problem):
    s3, _, at = world
    s3.objects["k"] = b"1"
    s3.problem = problem
    with pytest.raises(type(problem)):
        at(0)
    s3.problem = None
    assert at(0.1) == 1  # at once, not after the check interval
    s3.problem = problem
    assert at(3) == 1
