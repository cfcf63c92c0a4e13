/** @file Names for runs and weights, by which a resume knows its own. */
import { createHash } from "node:crypto";
import type { Weights } from "../nn/weights.ts";

/** Names a run by everything that decides its numbers, for safe resumes. */
export function fingerprintOf(facts: unknown): string {
  return createHash("sha256").update(JSON.stringify(facts)).digest("hex").slice(0, 16);
}

/** Names weights by a few numbers of each parameter. */
export function weightsHash(weights: Weights): string {
  const hash = createHash("sha256");
  for (const [name, data] of weights) {
    const stride = Math.max(1, Math.floor(data.length / 64));
    hash.update(name).update(Float32Array.from({ length: Math.min(64, data.length) }, (_, i) => data[i * stride]!));
  }
  return hash.digest("hex");
}
