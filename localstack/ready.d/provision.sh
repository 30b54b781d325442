#!/bin/sh
# LocalStack runs this whenever it has (re)started: the open-source edition keeps no state.
set -eu
cd "$FACELAB_ROOT"
PYTHONPATH="$FACELAB_IMPORT_ROOTS" exec "$FACELAB_PYTHON" -m scripts.cli.provision deploy \
    >>"$FACELAB_PROVISION_LOG" 2>&1
