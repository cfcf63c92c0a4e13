"""One host of several that run a StableHLO module together: a process with one CPU device, which knows its own rows only.

    python tests/support/stablehlo_host.py FOLDER INDEX PORT

FOLDER holds hosts.json: {text, hosts, inputs, outputs, carried, steps}. `text` names a file beside it; inputs and outputs have dtype,
shape (of the whole tensor) and sharding ("replicated" or {"axis": n}); `carried` are pairs of an input and the output that it is
from the second step on; `steps` lists for each step pairs of an input and its offset into inputs-INDEX.bin, where this host's parts
lie. Writes results-INDEX.bin, its parts of all outputs, step after step, and results-INDEX.json. Host 0 coordinates at
127.0.0.1:PORT, parts are exchanged by Gloo. Needs jax (0.10.2 was used).
"""

import json
import os
import sys
from pathlib import Path

SECONDS = 60
os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=1"
os.environ["JAX_PLATFORMS"] = "cpu"

import jax  # noqa: E402
import numpy as np  # noqa: E402
from jax._src import compiler  # noqa: E402
from jax._src.interpreters import mlir  # noqa: E402
from jax._src.lib import xla_client  # noqa: E402
from jaxlib.mlir import ir  # noqa: E402

DTYPES = {"f32": np.float32, "i32": np.int32, "u32": np.uint32, "bool": np.bool_}


def join(index, hosts, port):
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    address = f"127.0.0.1:{port}"
    jax.distributed.initialize(
        **{"coordinator_address": address, "num_processes": hosts, "process_id": index, "local_device_ids": [0]},
        **{"coordinator_bind_address": address, "initialization_timeout": SECONDS, "shutdown_timeout_seconds": SECONDS},
    )
    devices = sorted(jax.devices(), key=lambda device: device.process_index)
    places = [device.process_index for device in devices]
    if places != list(range(hosts)):
        raise RuntimeError(f"each of {hosts} hosts must have one device; the devices are of the hosts {places}")
    return devices


def compiled(text, devices):
    """As Firth compiles a module: partitions over all devices, which the assignment names by the client's own ids."""
    options = compiler.get_compile_options(num_replicas=1, num_partitions=len(devices))
    build = options.executable_build_options
    build.use_spmd_partitioning = True
    build.use_shardy_partitioner = "sdy.mesh @" in text
    build.device_assignment = xla_client.DeviceAssignment.create(np.array([[device.id for device in devices]]))
    with mlir.make_ir_context():
        module = ir.Module.parse(text)
        module.operation.verify()
        return devices[0].client.compile_and_load(module, xla_client.DeviceList(tuple(devices)), options)


def own_shape(value, hosts):
    place = value["sharding"]
    cut = None if place == "replicated" else place["axis"]
    return [size // hosts if axis == cut else size for axis, size in enumerate(value["shape"])]


def whole(value, part, devices):
    """The tensor of all hosts, of which this one has a part."""
    mesh = jax.sharding.Mesh(np.array(devices), ("device",))
    place = value["sharding"]
    axes = [] if place == "replicated" else [None] * place["axis"] + ["device"]
    sharding = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec(*axes))
    return jax.make_array_from_single_device_arrays(tuple(value["shape"]), sharding, [part])


def main():
    folder, index, port = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    facts = json.loads((folder / "hosts.json").read_text())
    hosts, inputs, outputs = facts["hosts"], facts["inputs"], facts["outputs"]
    data = (folder / f"inputs-{index}.bin").read_bytes()
    devices = join(index, hosts, port)
    own = devices[index]
    executable = compiled((folder / facts["text"]).read_text(), devices)

    def upload(at, offset):
        value = inputs[at]
        shape, dtype = own_shape(value, hosts), np.dtype(DTYPES[value["dtype"]])
        part = np.frombuffer(data, dtype, int(np.prod(shape, dtype=np.int64)), offset).reshape(shape)
        return whole(value, jax.device_put(part, own), devices)

    arguments = [None] * len(inputs)
    with open(folder / f"results-{index}.bin", "wb") as file:
        for step in facts["steps"]:
            for at, offset in step:
                arguments[at] = upload(at, offset)
            results = executable.execute_sharded(arguments).disassemble_into_single_device_arrays()
            for arrays in results:
                if len(arrays) != 1:
                    raise RuntimeError(f"a host reads its own part of a result; it was given {len(arrays)}")
                file.write(np.ascontiguousarray(np.asarray(arrays[0])).tobytes())
            for at, output in facts["carried"]:
                arguments[at] = whole(outputs[output], results[output][0], devices)
    ids = [device.id for device in devices]
    report = {"process": jax.process_index(), "processes": jax.process_count(), "ids": ids, "own": own.id}
    (folder / f"results-{index}.json").write_text(json.dumps(report))
    jax.distributed.shutdown()


main()
