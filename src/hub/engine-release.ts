/**
 * @file Releases of XLA's plugins that `firth engine install` fetches, each with its checksum.
 *
 * The checksums are those of the build files of the plugins' publisher, `platforms/cpu/cpu.bzl` and `platforms/cuda/cuda.bzl` of
 * github.com/zml/zml, or of projects that took those files over (github.com/NarendraPatwardhan/nml), for this release; that of
 * the CPU's for x86-64 and for macOS stands in two of them. A file that has another one is refused, never installed.
 * @source github.com/zml/pjrt-artifacts
 */

/** A file of a release. */
export interface EngineRelease {
  readonly platform: string;
  /** `linux-x64`, … as Node names systems and processors. */
  readonly machine: string;
  readonly release: string;
  readonly url: string;
  /** Of the file behind the address. */
  readonly sha256: string;
  /** What it needs beside itself. */
  readonly needs?: string;
}

const release = "manual-2026-07-03T00-10-30Z";
const folder = `https://github.com/zml/pjrt-artifacts/releases/download/${release}`;
const cudaNeeds =
  "the libraries of CUDA 13, cuDNN 9 and NCCL on the loader's path (the Python package jax-cuda13-pjrt brings plugin and libraries together)";

/** Every release that is known. */
export const engineReleases: readonly EngineRelease[] = [
  {
    platform: "cpu",
    machine: "linux-x64",
    release,
    url: `${folder}/pjrt-cpu_linux-amd64.tar.gz`,
    sha256: "65e631db0f842845e7799d245a414b361a3c3e77bf4cc0547c20c71f28a9fd70",
  },
  {
    platform: "cpu",
    machine: "linux-arm64",
    release,
    url: `${folder}/pjrt-cpu_linux-arm64.tar.gz`,
    sha256: "4c4d4021d4cde06a67a68d19d1d3ee4f0765ecb1f3a18f9610e55723095a51b1",
  },
  {
    platform: "cpu",
    machine: "darwin-arm64",
    release,
    url: `${folder}/pjrt-cpu_darwin-arm64.tar.gz`,
    sha256: "14c85504d801c75fa8d157ce951a2644d8a8d7983346b3ac281aa7f64abf8390",
  },
  {
    platform: "cuda",
    machine: "linux-x64",
    release,
    url: `${folder}/pjrt-cuda_linux-amd64.tar.gz`,
    sha256: "6380f724fe21b25dc9231f3ec468ae92e39d21f4bae9377bfa8ff01972521e0d",
    needs: cudaNeeds,
  },
  {
    platform: "cuda",
    machine: "linux-arm64",
    release,
    url: `${folder}/pjrt-cuda_linux-arm64.tar.gz`,
    sha256: "98dc33f0740bc37f3a25611f5aad423cc46eb69679e4d45a22f7fc4dfa3efd8d",
    needs: cudaNeeds,
  },
];
