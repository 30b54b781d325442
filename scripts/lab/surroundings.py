"""What other AWS programs must know to find this lab."""

from __future__ import annotations

from collections.abc import Mapping

from cloud.switch import Switch
from scripts.errors import LabError


def variables(switch: Switch, environment: Mapping[str, str]) -> dict[str, str]:
    """Endpoint, region and keys of the lab, past any proxy.

    Raises
    ------
    LabError
        On AWS itself, whose credentials are not ours to print.
    """
    if switch.endpoint_url is None or switch.region is None:
        raise LabError(
            "FACELAB_BACKEND=aws is AWS itself: `aws` finds it without help",
            "for the emulator: FACELAB_BACKEND=embedded facelab env",
        )
    excepted = environment.get("no_proxy") or environment.get("NO_PROXY") or ""
    beside = ",".join(filter(None, (excepted, "127.0.0.1", "localhost")))
    return {
        "AWS_ENDPOINT_URL": switch.endpoint_url,
        "AWS_REGION": switch.region,
        "AWS_DEFAULT_REGION": switch.region,
        "AWS_ACCESS_KEY_ID": switch.emulator_keys.access_key,
        "AWS_SECRET_ACCESS_KEY": switch.emulator_keys.secret_key,
        "NO_PROXY": beside,
        "no_proxy": beside,
    }
