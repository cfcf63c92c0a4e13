"""Compiles the text that Firth made of a step for an NVIDIA GPU that is not there, with the very plugin that will run it.

    node bench/gpu/firth-side.mjs … --dump FOLDER --target cuda
    python3 bench/gpu/compile_ahead.py --plugin xla_cuda_plugin.so --graph FOLDER [--devices N] [--flags xla_gpu_autotune_level=0]

The plugin is that of the Python package jax-cuda13-pjrt; beside it, in nvidia/cu13, must lie CUDA's libdevice (package nvidia-nvvm).
jaxlib loads it. What is found without the device: whether the text is read, whether the compiler knows its calls, code for every
fusion, and the memory of a run. Not found: what is fast (nothing is timed), and whether cuDNN has a kernel for a call.
"""

import argparse
import os
import re
import time
from collections import Counter

# An H100's (SXM), as XLA describes devices.
LIMITS = {
    "threads_per_block_limit": 1024,
    "threads_per_warp": 32,
    "shared_memory_per_block": 49152,
    "shared_memory_per_core": 233472,
    "threads_per_core_limit": 2048,
    "core_count": 132,
    "fpus_per_core": 128,
    "block_dim_limit_x": 2147483647,
    "block_dim_limit_y": 65535,
    "block_dim_limit_z": 65535,
    "memory_bandwidth": 3352320000000,
    "l2_cache_size": 52428800,
    "clock_rate_ghz": 1.98,
    "device_memory_size": 84942979072,
    "shared_memory_per_block_optin": 232448,
    "registers_per_core_limit": 65536,
    "registers_per_block_limit": 65536,
    "thread_dim_limit_x": 1024,
    "thread_dim_limit_y": 1024,
    "thread_dim_limit_z": 64,
    "device_address_bits": 64,
}
NAME = "NVIDIA H100 80GB HBM3"


def target_config():
    limits = " ".join(f"{name}: {value}" for name, value in LIMITS.items())
    capability = "cuda_compute_capability { major: 9 feature_extension: ACCELERATED_FEATURES }"
    versions = 'driver_version: "13.0.0" runtime_version: "13.0.0" compile_time_toolkit_version: "13.0.0" dnn_version: "9.10.0"'
    info = f'gpu_device_info {{ {limits} {capability} {versions} name: "{NAME}" device_vendor: "NVIDIA Corporation" }}'
    return f'{info} platform_name: "CUDA" dnn_version_info {{ major: 9 minor: 10 }} device_description_str: "{NAME}"'


def flags(given):
    """`name=value,…` as flags of the compiler."""
    words = {"true": True, "false": False}
    pairs = [one.partition("=") for one in given.split(",") if one != ""]
    return [(name, words.get(value, int(value) if value.isdigit() else value)) for name, _, value in pairs]


def calls(text):
    """How often compiled HLO calls each library, and how many fusions it has by the compiler's way of making them."""
    targets = Counter(re.findall(r'custom_call_target="([^"]+)"', text))
    fusions = Counter(re.findall(r'"fusion_backend_config":\{"kind":"([^"]+)"', text))
    return targets, fusions


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--plugin", required=True)
    parser.add_argument("--graph", required=True, help="what --dump wrote, or a file of StableHLO")
    parser.add_argument("--devices", type=int, default=1, help="GPUs of one machine, which the text is divided among")
    parser.add_argument("--flags", default="", help="name=value,… of the compiler")
    parser.add_argument("--hlo", help="a file for what the compiler made")
    options = parser.parse_args()
    from jax._src import compiler
    from jax._src.interpreters import mlir
    from jax._src.lib import xla_client
    from jaxlib.mlir import ir

    interface = xla_client.load_pjrt_plugin_dynamically("cuda", os.path.abspath(options.plugin))
    xla_client.initialize_pjrt_plugin("cuda")
    shape = f"1x1x{options.devices}"
    topology = xla_client.make_c_api_device_topology(
        interface, shape, target_config=target_config(), topology=shape
    )
    devices = topology._make_compile_only_devices()
    is_folder = os.path.isdir(options.graph)
    with open(os.path.join(options.graph, "step.mlir") if is_folder else options.graph, encoding="utf-8") as file:
        text = file.read()
    compile_options = compiler.get_compile_options(num_replicas=1, num_partitions=options.devices)
    build = compile_options.executable_build_options
    build.use_spmd_partitioning = options.devices > 1
    build.use_shardy_partitioner = "sdy.mesh @" in text
    compile_options.env_option_overrides = flags(options.flags)
    began = time.perf_counter()
    with mlir.make_ir_context():
        module = ir.Module.parse(text)
        compiled = devices[0].client.compile(module, xla_client.DeviceList(tuple(devices)), compile_options)
    seconds = time.perf_counter() - began
    memory = compiled.get_compiled_memory_stats()
    sizes = {
        "arguments": memory.argument_size_in_bytes,
        "results": memory.output_size_in_bytes,
        "taken over": memory.alias_size_in_bytes,
        "temporary": memory.temp_size_in_bytes,
    }
    print(f"compiled for {devices[0].device_kind} in {seconds:.1f} s; MiB: ", end="")
    print(", ".join(f"{name} {size / 2**20:.1f}" for name, size in sizes.items()))
    made = compiled.hlo_modules()[0].to_string()
    if options.hlo is not None:
        with open(options.hlo, "w", encoding="utf-8") as file:
            file.write(made)
    for what, counts in zip(("calls", "fusions"), calls(made)):
        print(f"{what}: " + (", ".join(f"{count} × {name}" for name, count in counts.most_common()) or "none"))


if __name__ == "__main__":
    main()
