"""LocalStack runs this whenever it has (re)started. Where its state came back, all is there.

What has changed since then is deployed by `make up`.

Python, because LocalStack reads such a hook itself: a shell script runs neither without its
executable bit (a checkout from an archive) nor with another system's line ends.
"""

import os
import subprocess
from pathlib import Path

state = os.environ.get("IMAGE_FUNCTIONS_STATE")
if not (state and Path(state, "restored").exists()):
    with Path(os.environ["FACELAB_PROVISION_LOG"]).open("ab") as log:
        subprocess.run(
            [os.environ["FACELAB_PYTHON"], "-m", "scripts.cli.provision", "deploy"],
            cwd=os.environ["FACELAB_ROOT"],
            env={**os.environ, "PYTHONPATH": os.environ["FACELAB_IMPORT_ROOTS"]},
            stdout=log,
            stderr=log,
            check=True,
        )
