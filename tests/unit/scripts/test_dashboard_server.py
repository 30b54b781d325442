"""How the dashboard's server stays small: clients made once, and processes for what is large."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from cloud.switch import read_switch
from scripts.dashboard.clients import SharedClients
from scripts.dashboard.lean import Folded
from scripts.dashboard.worker import NoAnswer, Worker, write_block
from scripts.paths import ROOT


def test_a_client_is_made_once_and_anew_when_it_is_refused():
    """Each client takes megabytes: the page of dead letters made three with every look."""
    clients = SharedClients.of(read_switch({}))
    first = clients.client("sqs")
    assert clients.client("sqs", connect_timeout=60) is first
    clients.let_go()
    assert clients.client("sqs") is not first


SERVICES = ("logs", "dynamodb", "sqs", "sts", "s3", "lambda")


@pytest.mark.parametrize(
    ("service", "act", "asked"),
    [
        ("dynamodb", "list_tables", {}),
        ("sqs", "list_queues", {}),
        ("s3", "list_buckets", {}),
        # Without S3's rules of addresses a bucket is in no address at all.
        ("s3", "list_objects_v2", {"Bucket": "b", "Prefix": "clips/"}),
        ("s3", "get_object", {"Bucket": "b", "Key": "k"}),
    ],
)
def test_a_client_without_documentation_does_all_that_boto3s_does(service, act, asked):
    """What it reads of a service and never uses was a third of the server's memory."""
    switch = read_switch({})
    lean, usual = SharedClients.of(switch).client(service), switch.client(service)
    assert lean.meta.endpoint_url == usual.meta.endpoint_url
    assert lean.meta.region_name == usual.meta.region_name
    ours, theirs = lean.meta.service_model, usual.meta.service_model
    assert ours.operation_names == theirs.operation_names
    for name in ours.operation_names:
        for one in ("input_shape", "output_shape"):
            mine, its = (getattr(model.operation_model(name), one) for model in (ours, theirs))
            assert (mine and list(mine.members)) == (its and list(its.members))
    for name in theirs.shape_names:  # with what botocore adds to a service's own description
        assert ours.shape_for(name).type_name == theirs.shape_for(name).type_name
    assert not any(ours.operation_model(one).documentation for one in ours.operation_names)
    asks = [one.generate_presigned_url(act, asked).partition("?")[0] for one in (lean, usual)]
    assert asks[0] == asks[1]  # a request is made ready all the way


def test_a_description_is_unfolded_where_it_is_asked_for_and_not_kept_besides():
    """Of six services' descriptions as objects, and of what a loader keeps of them, the server's
    memory was five megabytes; read in one piece they left their room behind in pieces."""
    clients = SharedClients.of(read_switch({}))
    made = clients.client("logs")
    assert isinstance(made.meta.service_model._service_description["shapes"], Folded)
    loader = clients._session._core.get_component("data_loader")
    assert not [one for one in loader._cache if "service-2" in str(one) and "load" in one[0]]


def test_the_server_gets_by_without_boto3():
    """boto3 brings S3's transfers along, whose pools and files nobody here needs."""
    code = (
        "import sys; from cloud.switch import read_switch; import scripts.dashboard.server as s; "
        "clients = s.SharedClients.of(read_switch({})); "
        f"[clients.client(one) for one in {SERVICES}]; "
        "sys.exit(sum(one in sys.modules for one in ('boto3', 's3transfer', 'numpy', 'cv2')))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


class TestAWorker:
    """`tests.fakes.worker` ends at `die`, and its cloud refuses `refuse`."""

    @pytest.fixture
    def worker(self) -> Iterator[Worker]:
        worker = Worker("tests.fakes.worker")
        yield worker
        worker.close()

    def test_one_that_was_killed_is_followed_by_another(self, worker):
        pid = worker.ask(b"pid")
        with pytest.raises(NoAnswer):
            worker.ask(b"die")
        assert worker.ask(b"pid") != pid

    def test_one_whose_server_has_ended_ends_without_a_word(self):
        """Its traceback stood in the terminal of whoever ended the dashboard."""
        command = [sys.executable, "-m", "tests.fakes.worker"]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        with subprocess.Popen(command, cwd=ROOT, **pipes) as process:
            process.stdout.close()
            write_block(process.stdin, b"pid")
            assert process.stderr.read() == b""
        assert process.returncode == 0

    def test_one_whose_cloud_refuses_says_why_and_goes_on(self, worker):
        pid = worker.ask(b"pid")
        with pytest.raises(NoAnswer, match="the lab is full"):
            worker.ask(b"refuse")
        assert worker.ask(b"pid") == pid
