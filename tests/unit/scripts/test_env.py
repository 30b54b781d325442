"""What other AWS programs are told of the lab."""

from __future__ import annotations

import pytest

from cloud.switch import read_switch
from scripts.errors import LabError
from scripts.lab.surroundings import variables


def test_endpoint_has_the_lab_s_own_port():
    told = variables(read_switch({"FACELAB_PORT": "4700"}), {})
    assert told["AWS_ENDPOINT_URL"] == "http://127.0.0.1:4700"
    assert told["AWS_SECRET_ACCESS_KEY"] == "test"


def test_exceptions_from_the_proxy_are_kept():
    told = variables(read_switch({}), {"NO_PROXY": "intranet"})
    assert told["no_proxy"] == told["NO_PROXY"] == "intranet,127.0.0.1,localhost"


def test_credentials_of_aws_are_not_printed():
    with pytest.raises(LabError, match="AWS itself"):
        variables(read_switch({"FACELAB_BACKEND": "aws"}), {})
