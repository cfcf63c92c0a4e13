/**
 * @file NVIDIA's libraries as Python packages bring them: beside a CUDA plugin, where the system's loader does not look.
 * @source jax_plugins/cuda/__init__.py, which loads the same ones in the same order
 */
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Native } from "./native.ts";

/** Packages below `nvidia/`, and their files, for CUDA 13 and 12. A plugin finds by name what is loaded already. */
const libraries: readonly (readonly [folder: string, ...files: string[]])[] = [
  ["cu13", "libcudart.so.13", "libnvrtc.so.13", "libcublasLt.so.13", "libcublas.so.13"],
  ["cuda_runtime", "libcudart.so.12"],
  ["cuda_nvrtc", "libnvrtc.so.12"],
  ["cublas", "libcublasLt.so.12", "libcublas.so.12"],
  ["nccl", "libnccl.so.2"],
  ["cu13", "libcupti.so.13", "libnvJitLink.so.13", "libcusparse.so.12", "libcusolver.so.12", "libcufft.so.12"],
  ["cuda_cupti", "libcupti.so.12"],
  ["nvjitlink", "libnvJitLink.so.12"],
  ["cusparse", "libcusparse.so.12"],
  ["cusolver", "libcusolver.so.11"],
  ["cufft", "libcufft.so.11"],
  ["nvshmem", "libnvshmem_host.so.3"],
  ["cudnn", "libcudnn.so.9"],
];

/** Folders with the assembler and the device library (`bin/ptxas`, `nvvm/libdevice`). */
const toolFolders = ["cu13", "cuda_nvcc"];

/** What lies beside a plugin. */
export interface NvidiaLibraries {
  /** Whole paths, in the order in which they are loaded. */
  readonly files: readonly string[];
  /** For the compiler's `xla_gpu_cuda_data_dir`. */
  readonly toolFolder: string | undefined;
}

/** NVIDIA's libraries in the same site-packages as a plugin; none where it does not come from Python. */
export function nvidiaLibraries(plugin: string): NvidiaLibraries {
  const root = [dirname(dirname(plugin)), dirname(dirname(dirname(plugin)))]
    .map((folder) => join(folder, "nvidia"))
    .find((folder) => existsSync(folder));
  if (root === undefined) return { files: [], toolFolder: undefined };
  const files = libraries.flatMap(([folder, ...names]) => names.map((name) => join(root, folder, "lib", name)));
  const toolFolder = toolFolders
    .map((folder) => join(root, folder))
    .find((folder) => existsSync(join(folder, "nvvm", "libdevice")) || existsSync(join(folder, "bin", "ptxas")));
  return { files: files.filter((file) => existsSync(file)), toolFolder };
}

/** Loads them, so that the plugin finds them; one that does not load is named by the plugin when it needs it. */
export function loadNvidiaLibraries(native: Native, { files }: NvidiaLibraries): void {
  for (const file of files) native.loadLibrary(file);
}
