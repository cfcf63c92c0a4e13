// Whether the engine is there at all, how fast it multiplies, and whether its kernels for attention give what the written-out
// attention gives: looked at first, since every other part stands on it.

import { existsSync, readFileSync } from "node:fs";

/** What of the system a failure may come from. */
export function systemFacts() {
  const { glibcVersionRuntime } = process.report.getReport().header;
  const smi = "/proc/driver/nvidia/version";
  return {
    node: process.version,
    glibc: glibcVersionRuntime,
    driver: existsSync(smi) ? readFileSync(smi, "utf8").split("\n")[0] : undefined,
    libraryPath: process.env.LD_LIBRARY_PATH,
    xlaFlags: process.env.XLA_FLAGS,
  };
}

/** @param {import("./place.mjs").Place} place */
export async function checkEngine(place, lateMs) {
  const { lines, failure } = await place.lines(process.execPath, place.firth("check.mjs"), { lateMs });
  const record = { kind: "engine", system: systemFacts(), ...Object.assign({}, ...lines) };
  place.keep(failure === undefined ? record : { ...record, failure: failure.message });
  if (failure !== undefined) place.tell(failure.message);
}
