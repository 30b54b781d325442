"""What of the lab exists on AWS."""

from __future__ import annotations

from dataclasses import asdict

from cloud.switch import Switch
from scripts.aws.account import check_account
from scripts.aws.inventory import inventory
from scripts.console import print_json, print_lines


def status(switch: Switch, as_json: bool) -> int:
    """Print what is there; 3 as the exit status when nothing is."""
    account = check_account(switch)
    found = inventory(switch)
    if as_json:
        print_json({**asdict(account), "resources": [asdict(one) for one in found]})
    else:
        print(account.where)
        for one in found:
            print_lines(f"{one.kind:>12}  {one.name:<44} {one.state}")
        if not found:
            print("nothing of this lab is there; `make aws-up` makes it")
    return 0 if found else 3
