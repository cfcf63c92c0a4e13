#!/bin/sh
# On the GPU machine, in the root of a copy of the repository with the folder that pack.mjs made: unpacks it and runs run.mjs.
#   sh bench/gpu/run.sh [options of run.mjs]
set -e
carried=${GPU_CARRIED:-.gpu}
python=${GPU_PYTHON:-python3}
"$python" - "$carried" <<'PYTHON'
import sys, tarfile
for name in ("node", "package"):
    with tarfile.open(f"{sys.argv[1]}/{name}.tar.xz") as archive:
        archive.extractall(sys.argv[1] + "/node" if name == "node" else ".", filter="data")
PYTHON
chmod +x "$carried/node/bin/node"
exec "$carried/node/bin/node" bench/gpu/run.mjs --carried "$carried" --python "$python" "$@"
