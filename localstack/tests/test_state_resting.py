"""S3 objects at rest: the same objects, in a fifth of the memory; and their files."""

from __future__ import annotations

import json
import os
import subprocess
import textwrap
from pathlib import Path

from localstack.tests.conftest import PYTHON, ROOT

BYTES = 900
"""More than an object at rest takes; a whole one takes 2,600."""

OBJECTS = """
import gc, threading, time, tracemalloc, uuid
from localstack.services.s3.models import KeyStore, S3Object, VersionedKeyStore
from localstack_image_functions.state import resting
from localstack_image_functions.state.codec import Codec
from localstack_image_functions.state.resting import RestingObject, rest, wake

def an_object(number, **more):
    key = f"clips/pi-1/2026-01-01/20260101T000000.{number:09d}-abcdef.h264"
    one = S3Object(
        key=key, size=300_000 + number, user_metadata={
            "Captured-At-Ms": str(1767225600000 + number), "Duration-Ms": "500",
            "Clip-Id": key[-40:-5], "Device": "pi-1", "Schema": "1",
        },
        system_metadata={"ContentType": "video/h264"}, checksum_algorithm="CRC32",
        checksum_value=f"{number:06d}==", owner={"ID": "a" * 64, "DisplayName": "webfile"},
        acl={"Owner": {"ID": "a" * 64}, "Grants": [{
            "Grantee": {"Type": "CanonicalUser", "ID": "a" * 64}, "Permission": "FULL_CONTROL",
        }]}, **more,
    )
    one.etag, one.content = uuid.uuid4().hex, uuid.uuid4().hex
    return one
"""

SAME = """
    for one in (an_object(1), an_object(2, version_id="null"), an_object(3)):
        before = dict(vars(one))
        assert rest(one) and type(one) is RestingObject and isinstance(one, S3Object)
        assert {name: getattr(one, name) for name in before} == before
        assert one.quoted_etag == f'"{before["etag"]}"' and not hasattr(one, "no_such_field")
        written = Codec().encode(wake(one))
        assert vars(Codec().decode(written)) == before and type(one) is S3Object
"""
CHANGED = """
    one = an_object(1)
    before = dict(vars(one))
    rest(one)
    one.acl = {"Owner": "another"}
    assert vars(one) == before | {"acl": {"Owner": "another"}}
    other = an_object(2)
    rest(other)
    assert other.acl == before["acl"]
    resting.rest_what_nobody_writes(time.monotonic() + 60)
    assert type(one) is RestingObject and one.acl == {"Owner": "another"}
"""
WHOLE = """
    from datetime import UTC, datetime
    one = an_object(1, expires=datetime.now(UTC))
    assert not rest(one) and type(one) is S3Object
"""
TOGETHER = """
    one, ended = an_object(1), threading.Event()
    def keep_resting():
        while not ended.is_set():
            rest(one)
    threads = [threading.Thread(target=keep_resting, daemon=True) for _ in range(2)]
    for thread in threads:
        thread.start()
    for number in range(3000):
        one.restore = number
        assert one.restore == number and one.user_metadata["schema"] == "1"
    ended.set()
"""
VERSIONS = """
    resting.watch_objects()
    store = VersionedKeyStore()
    for number in range(3):
        one = an_object(0, version_id=str(number))
        store.set("k", one)
        rest(one)
    assert [one.is_current for one in store.values(with_versions=True)] == [False, False, True]
    store.pop("k", version_id="2")
    assert store.get("k").version_id == "1" and store.get("k").is_current
"""
SMALL = """
    def measured(make):
        gc.collect()
        tracemalloc.start()
        store = KeyStore()
        for number in range(3000):
            one = an_object(number)
            store.set(one.key, one)
            make(one)
        gc.collect()
        resting.being_written.clear()
        grown = tracemalloc.get_traced_memory()[0] / 3000
        tracemalloc.stop()
        return grown
    print(measured(lambda one: None), measured(rest))
"""
UNWRITTEN = """
    import tempfile
    from pathlib import Path
    from localstack_image_functions.state.objects import FileObjectStore
    class Cut:
        parts = [b"x" * 100_000]
        def read(self, size):
            if not self.parts:
                raise OSError("no space left on device")
            return self.parts.pop()
    with tempfile.TemporaryDirectory() as folder:
        store, one = FileObjectStore(Path(folder)), S3Object(key="k")
        try:
            with store.open("bucket", one, "w") as stored:
                stored.write(Cut())
        except OSError:
            assert not list((Path(folder) / "bucket").iterdir())
        else:
            raise AssertionError("it was written")
"""
SCRIPTS = {
    "the-same-read-and-written": SAME,
    "changed-it-is-whole": CHANGED,
    "what-can-not-be-packed-stays-whole": WHOLE,
    "changed-while-it-is-packed": TOGETHER,
    "versions": VERSIONS,
    "what-could-not-be-written-leaves-no-file": UNWRITTEN,
}


ONE_AFTER_THE_OTHER = """
import json, sys
for name, script in json.loads(sys.argv[1]).items():
    print(name, file=sys.stderr)
    exec(script, dict(globals()))
"""


def run(scripts: dict[str, str], folder: Path) -> str:
    """What scripts print, run where LocalStack is installed, in one process: it loads slowly."""
    texts = {name: textwrap.dedent(script) for name, script in scripts.items()}
    done = subprocess.run(
        [PYTHON, "-c", OBJECTS + ONE_AFTER_THE_OTHER, json.dumps(texts)],
        env={**os.environ, "PYTHONPATH": str(ROOT / "localstack"), "FILESYSTEM_ROOT": str(folder)},
        check=False, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_an_object_at_rest_is_the_same_object_and_small(tmp_path: Path) -> None:
    whole, packed = map(float, run(SCRIPTS | {"small": SMALL}, tmp_path).split())
    assert packed < BYTES < whole / 2
