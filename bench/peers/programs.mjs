// How the two sides are started: Firth's program and the peers' Python.

import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { root } from "../section.mjs";

// PyTorch frees and faults in its large buffers at every step unless glibc is told to keep them: up to a fifth of the step.
export const tunedMalloc = {
  MALLOC_MMAP_MAX_: "0",
  MALLOC_TRIM_THRESHOLD_: "34359738368",
  MALLOC_TOP_PAD_: "268435456",
};

/** A peer is missing: what to install. */
export class MissingPeer extends Error {}

/**
 * Firth's program, from the build or from a source file.
 * @returns a function from arguments to command and arguments
 */
export function programOf(entry = join(root, "dist", "cli", "main.js")) {
  if (!existsSync(entry)) throw new RangeError(`${entry} is missing. Run npm run build first.`);
  const loader = entry.endsWith(".ts") ? ["--import", "tsx"] : [];
  return (args) => ({ command: process.execPath, args: [...loader, entry, ...args], shown: "node" });
}

/** The Python of the peers: an option, FIRTH_PEER_PYTHON, or python3; with the modules it must have. */
export function pythonOf(option, modules) {
  const python = option ?? (process.env.FIRTH_PEER_PYTHON || "python3");
  const install = `Install it:\n  python3 -m venv .peers && .peers/bin/pip install -r bench/peers/requirements.txt\n  FIRTH_PEER_PYTHON=.peers/bin/python npm run bench:peers`;
  const probe = spawnSync(python, ["-c", `import ${modules.join(", ")}`], { encoding: "utf8" });
  if (probe.error) throw new MissingPeer(`Python not found; tried ${python} (${probe.error.code}). ${install}`);
  if (probe.status !== 0) {
    const reason = probe.stderr.trim().split("\n").at(-1);
    throw new MissingPeer(`${python} cannot import ${modules.join(", ")}; ${reason}. ${install}`);
  }
  return python;
}
