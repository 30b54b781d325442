"""What a projection leaves of an item."""

from __future__ import annotations

from typing import Any

import pytest

from localstack_image_functions.projections import projected

ITEM = {"id": {"S": "a"}, "l": {"L": [{"S": "x"}, {"L": [{"N": "1"}, {"N": "2"}]}, {"S": "z"}]}}


@pytest.mark.parametrize(
    ("expression", "left"),
    [
        ("#l[2], id", {"id": {"S": "a"}, "l": {"L": [{"S": "z"}]}}),
        ("l[2], l[0]", {"l": {"L": [{"S": "x"}, {"S": "z"}]}}),
        ("l[1][1]", {"l": {"L": [{"L": [{"N": "2"}]}]}}),
        ("l[9], gone[0], id[0]", {}),
        ("l, l[0]", {"l": ITEM["l"]}),
    ],
)
def test_elements_keep_their_order_and_what_is_not_there_is_left_out(
    expression: str, left: dict[str, Any]
) -> None:
    assert projected(ITEM, expression, {"#l": "l"}) == left
