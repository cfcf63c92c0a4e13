// Peers that are npm packages live outside the project, in the folder that FIRTH_PEER_NODE names.

import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

export const nodePeerInstall =
  "npm install --prefix .peers-node --ignore-scripts @huggingface/transformers @tensorflow/tfjs-core @tensorflow/tfjs-backend-wasm, then FIRTH_PEER_NODE=.peers-node";

/** The folder of a package among the peers. @throws {RangeError} saying what to install */
export function peerFolder(name) {
  const base = process.env.FIRTH_PEER_NODE;
  const folder = base === undefined || base === "" ? undefined : join(resolve(base), "node_modules", name);
  if (folder !== undefined && existsSync(folder)) return folder;
  throw new RangeError(`${name} is not there. Install it: ${nodePeerInstall}`);
}

/** A package of the peers, and its version. */
export async function importPeer(name) {
  const folder = peerFolder(name);
  const { version } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  const entry = createRequire(join(folder, "..", "..", "index.js")).resolve(name);
  return { module: await import(pathToFileURL(entry).href), version, folder };
}
