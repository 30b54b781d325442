"""What is listed ends with the last page."""

from __future__ import annotations

import boto3
from botocore.stub import Stubber

from cloud.listing import every


def test_every_page_is_asked_for_and_one_without_elements_has_none() -> None:
    client = boto3.client(
        "lambda",
        region_name="us-east-1",
        aws_access_key_id="none",
        aws_secret_access_key="none",
    )
    with Stubber(client) as stub:
        stub.add_response(
            "list_functions", {"Functions": [{"FunctionName": "a"}], "NextMarker": "m"}
        )
        stub.add_response("list_functions", {"NextMarker": "n"}, {"Marker": "m"})
        stub.add_response("list_functions", {"Functions": [{"FunctionName": "b"}]}, {"Marker": "n"})
        found = [one["FunctionName"] for one in every(client, "list_functions", "Functions")]
        stub.assert_no_pending_responses()
    assert found == ["a", "b"]


def test_sqs_is_told_how_many_to_answer_without_which_it_gives_no_token() -> None:
    client = boto3.client(
        "sqs", region_name="us-east-1", aws_access_key_id="none", aws_secret_access_key="none"
    )
    with Stubber(client) as stub:
        asked = {"QueueNamePrefix": "a", "MaxResults": 1000}
        stub.add_response("list_queues", {"QueueUrls": ["a"], "NextToken": "n"}, asked)
        stub.add_response("list_queues", {"QueueUrls": ["b"]}, {**asked, "NextToken": "n"})
        assert list(every(client, "list_queues", "QueueUrls", QueueNamePrefix="a")) == ["a", "b"]
