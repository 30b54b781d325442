"""Kill the function processes that an emulator left behind.

`python -m localstack_image_functions.process.sweep --lab ID` after the emulator was killed: on
Linux its functions die with it, but not what they had started, and not on other systems.
"""

from __future__ import annotations

import argparse
import json

from localstack_image_functions.process.leftovers import kill_marked


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m localstack_image_functions.process.sweep",
        description="Kill the function processes that the emulator of a lab left behind.",
    )
    parser.add_argument("--lab", required=True, help="the emulator's IMAGE_FUNCTIONS_LAB")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    killed = kill_marked(lab=arguments.lab)
    if arguments.json:
        print(json.dumps({"killed": killed}))
    elif killed:
        print(f"Killed {len(killed)} function process(es) left behind by lab {arguments.lab}.")


if __name__ == "__main__":
    main()
