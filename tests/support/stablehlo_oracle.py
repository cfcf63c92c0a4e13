"""Runs StableHLO modules on JAX's CPU, as XLA itself understands them.

    python tests/support/stablehlo_oracle.py FOLDER

FOLDER holds programs.json, a list of {name, text, partitions, inputs, outputs}: `text` names a file beside it, inputs have dtype,
shape, sharding ("replicated" or {"axis": n}) and offset into inputs.bin, outputs have shape and sharding. Writes results.json, for
each program {"error": …} or {"outputs": [{"offset", "bytes"}], "compiled": …}, and results.bin. Needs jax (0.10.2 was used).
"""

import json
import os
import sys
from pathlib import Path

DEVICES = 4
os.environ["XLA_FLAGS"] = f"--xla_force_host_platform_device_count={DEVICES}"
os.environ["JAX_PLATFORMS"] = "cpu"

import jax  # noqa: E402
import ml_dtypes  # noqa: E402
import numpy as np  # noqa: E402
from jax._src import compiler  # noqa: E402
from jax._src.interpreters import mlir  # noqa: E402
from jax._src.lib import xla_client  # noqa: E402
from jaxlib.mlir import ir  # noqa: E402

jax.config.update("jax_enable_x64", True)

DTYPES = {
    "f32": np.float32,
    "f64": np.float64,
    "bf16": ml_dtypes.bfloat16,
    "f16": np.float16,
    "i32": np.int32,
    "u32": np.uint32,
    "i8": np.int8,
    "bool": np.bool_,
}


def sharding_of(value, devices):
    mesh = jax.sharding.Mesh(np.array(devices), ("device",))
    place = value["sharding"]
    axes = [] if place == "replicated" else [None] * place["axis"] + ["device"]
    return jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec(*axes))


def compiled(text, devices):
    """Parses, which verifies, and compiles."""
    options = compiler.get_compile_options(num_replicas=1, num_partitions=len(devices))
    options.executable_build_options.use_shardy_partitioner = "sdy.mesh @" in text
    options.executable_build_options.device_assignment = xla_client.DeviceAssignment.create(
        np.array([[device.id for device in devices]])
    )
    with mlir.make_ir_context():
        module = ir.Module.parse(text)
        module.operation.verify()
        return devices[0].client.compile_and_load(module, xla_client.DeviceList(tuple(devices)), options)


def run(program, folder, data):
    devices = jax.devices("cpu")[: program["partitions"]]
    executable = compiled((folder / program["text"]).read_text(), devices)
    inputs = []
    for value in program["inputs"]:
        dtype = np.dtype(DTYPES[value["dtype"]])
        count = int(np.prod(value["shape"], dtype=np.int64))
        array = np.frombuffer(data, dtype, count, value["offset"]).reshape(value["shape"])
        inputs.append(jax.device_put(array, sharding_of(value, devices)))
    parts = executable.execute_sharded(inputs).disassemble_into_single_device_arrays()
    results = []
    for value, arrays in zip(program["outputs"], parts):
        pieces = [np.asarray(array) for array in arrays]
        place = value["sharding"]
        results.append(pieces[0] if place == "replicated" else np.concatenate(pieces, place["axis"]))
    return executable, results


def main():
    folder = Path(sys.argv[1])
    data = (folder / "inputs.bin").read_bytes()
    reports = []
    offset = 0
    with open(folder / "results.bin", "wb") as file:
        for program in json.loads((folder / "programs.json").read_text()):
            try:
                executable, results = run(program, folder, data)
            except Exception as error:  # noqa: BLE001
                reports.append({"error": str(error)})
                continue
            outputs = []
            for array in results:
                raw = np.ascontiguousarray(array).tobytes()
                file.write(raw)
                outputs.append({"offset": offset, "bytes": len(raw)})
                offset += len(raw)
            report = {"outputs": outputs}
            if program.get("wantsCompiled"):
                report["compiled"] = executable.hlo_modules()[0].to_string()
            reports.append(report)
    (folder / "results.json").write_text(json.dumps(reports))


main()
