"""Two labs of one machine, same prefix, two ports: neither reaches the other's state."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Lab, free_port

ON_DISK = b"f" * 2**21  # over the 512 kB that LocalStack holds in memory


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Lab, Lab]]:
    labs = tuple(Lab(tmp_path_factory.mktemp(name), free_port()) for name in ("left", "right"))
    try:
        for one in labs:
            one.up()
        yield labs[0], labs[1]
    finally:
        for one in labs:
            one.down()


def written_by_the_emulator(lab: Lab) -> set[str]:
    """Every file that the emulator has open for writing, deleted ones too."""
    pid = json.loads((lab.state / "emulator.json").read_text())["pid"]
    found = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        target = str(link.readlink())
        flags = Path(f"/proc/{pid}/fdinfo/{link.name}").read_text().split("flags:")[1].split()[0]
        if target.startswith("/") and not target.startswith("/dev/") and int(flags, 8) & 3:
            found.add(target.removesuffix(" (deleted)"))
    return found


def test_deleting_a_bucket_leaves_the_bucket_of_that_name_in_another_lab(pair):
    left, right = (lab.switch.client("s3") for lab in pair)
    for s3 in (left, right):
        s3.create_bucket(Bucket="shared-name")
        s3.put_object(Bucket="shared-name", Key="clip", Body=ON_DISK)
    right.delete_object(Bucket="shared-name", Key="clip")
    right.delete_bucket(Bucket="shared-name")
    assert left.get_object(Bucket="shared-name", Key="clip")["Body"].read() == ON_DISK
    left.put_object(Bucket="shared-name", Key="next", Body=ON_DISK)
    upload = left.create_multipart_upload(Bucket="shared-name", Key="parts")["UploadId"]
    left.upload_part(Bucket="shared-name", Key="parts", UploadId=upload, PartNumber=1, Body=ON_DISK)


def test_everything_an_emulator_writes_lies_below_its_lab(pair):
    for lab in pair:
        s3 = lab.switch.client("s3")
        s3.create_bucket(Bucket="written")
        s3.put_object(Bucket="written", Key="clip", Body=ON_DISK)
        written = written_by_the_emulator(lab)
        assert written, "the object must be on disk"
        assert not [path for path in written if not path.startswith(f"{lab.state}/")]


def test_second_lab_stopped_does_not_disturb_the_first(pair):
    left, right = pair
    right.down()
    status = json.loads(left.run("scripts.cli.lab", "status", "--json").stdout)
    assert (status["emulator"], status["function"]) == ("up", "Active")
