"""JAX's side: it compiles and runs the text that Firth made of a step, so that only what surrounds the graph differs.

    node bench/gpu/firth-side.mjs … --dump FOLDER
    python3 bench/gpu/jax_side.py --graph FOLDER [--plugin FILE]

--plugin runs it with that PJRT plugin instead of JAX's own client, so that both sides have one compiler.

Weights are random, optimizer state is small: figures mean nothing, times do. Arguments that results take the memory of are
given back as those results in the next step. The protocol is that of side.mjs.
"""

import argparse
import json
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "peers"))

from answers import answer_blocks, say  # noqa: E402


def draw(numpy, random, name, kind):
    shape = tuple(kind["shape"])
    dtype = {"f32": "float32", "f64": "float64", "i32": "int32", "u32": "uint32", "bool": "bool"}[kind["dtype"]]
    if name == "carried.sound":
        return numpy.ones(shape, dtype)
    if name == "scalars":
        # Rates near 0 and a decay that keeps nothing would be a step, too; these keep the weights finite.
        return numpy.full(shape, 1e-4, dtype)
    if name.startswith("parameter."):
        return (0.02 * random.standard_normal(shape)).astype(dtype)
    if name.startswith("state."):
        return numpy.full(shape, 1e-8, dtype)
    if name == "batch.sequenceIds" or name == "batch.targetSequenceIds":
        return numpy.ones(shape, dtype)
    if dtype == "int32":
        return random.integers(0, 2, shape).astype(dtype)
    return numpy.zeros(shape, dtype)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--graph", required=True)
    parser.add_argument("--plugin")
    options = parser.parse_args()
    if options.plugin is not None:
        os.environ["PJRT_NAMES_AND_LIBRARY_PATHS"] = f"given:{os.path.abspath(options.plugin)}"
        os.environ["JAX_PLATFORMS"] = "given"
    # Beside other programs on one device.
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    import jax
    import numpy
    from jax._src import compiler, xla_bridge
    from jax._src.interpreters import mlir as jax_mlir
    from jax._src.lib import xla_client
    from jaxlib.mlir import ir

    with open(os.path.join(options.graph, "step.json"), encoding="utf-8") as file:
        facts = json.load(file)
    with open(os.path.join(options.graph, "step.mlir"), encoding="utf-8") as file:
        text = file.read()
    backend = xla_bridge.get_backend()
    device = backend.local_devices()[0]
    began = time.perf_counter()
    with jax_mlir.make_ir_context():
        module = ir.Module.parse(text)
        devices = xla_client.DeviceList((device,))
        compile_options = compiler.get_compile_options(num_replicas=1, num_partitions=1)
        # Shardings in the text, where there are any, are GSPMD's.
        compile_options.executable_build_options.use_shardy_partitioner = False
        executable = backend.compile_and_load(module, devices, compile_options)
    compile_ms = 1000 * (time.perf_counter() - began)

    random = numpy.random.default_rng(1)
    arguments = [
        jax.device_put(draw(numpy, random, name, kind), device)
        for name, kind in zip(facts["inputNames"], facts["inputs"])
    ]

    def step():
        results = executable.execute(arguments)
        results = [result[0] if isinstance(result, list) else result for result in results]
        for argument, result in facts["donated"]:
            arguments[argument] = results[result]
        return results

    def block(count):
        start = time.perf_counter()
        for _ in range(count):
            results = step()
        for result in results:
            result.block_until_ready()
        return 1000 * (time.perf_counter() - start)

    block(4)
    answer_blocks(block)
    say({"side": "jax", "compileMs": compile_ms, "jax": jax.__version__, "device": device.device_kind})


if __name__ == "__main__":
    main()
