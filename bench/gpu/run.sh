#!/bin/sh
# On the GPU machine, in the root of a copy of the repository with the folder that pack.mjs made: unpacks it and runs run.mjs.
#   sh bench/gpu/run.sh [options of run.mjs]
# Environment: GPU_CARRIED (the folder, .gpu), GPU_PYTHON (python3).
set -e
carried=${GPU_CARRIED:-.gpu}
python=${GPU_PYTHON:-python3}
if [ ! -x "$carried/node/bin/node" ] || [ ! -e dist/index.js ]; then
  "$python" - "$carried" <<'PYTHON'
import sys, tarfile
for name in ("node", "package"):
    with tarfile.open(f"{sys.argv[1]}/{name}.tar.xz") as archive:
        archive.extractall(sys.argv[1] + "/node" if name == "node" else ".", filter="data")
PYTHON
  chmod +x "$carried/node/bin/node"
fi
node=$carried/node/bin/node
if ! "$node" --version >/dev/null; then
  echo "run.sh: the packed Node does not start here; it needs glibc 2.28 and libstdc++ (ldd $node says what is missing)." >&2
  exit 1
fi
exec "$node" bench/gpu/run.mjs --carried "$carried" --python "$python" "$@"
