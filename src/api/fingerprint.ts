/** @file Names for runs and weights, by which a resume knows its own. */
import { createHash } from "node:crypto";
import type { Weights } from "../nn/weights.ts";
import type { TrainOptions } from "../train/options.ts";

/** Names a run by everything that decides its numbers, for safe resumes. */
export function fingerprintOf(facts: unknown): string {
  return createHash("sha256").update(JSON.stringify(facts)).digest("hex").slice(0, 16);
}

/** The options that decide a run's numbers: not when it is saved, how much memory it takes, nor how it is spread over lanes and devices. */
export function decidingOptions(options: TrainOptions): object {
  const {
    keepCheckpoints: _keep,
    checkpointSteps: _steps,
    recomputeLayers: _memory,
    lanes: _lanes,
    dividesState: _divides,
    ...facts
  } = options;
  return facts;
}

/** Names weights by a few numbers of each parameter: enough to tell runs apart. */
export function weightsHash(weights: Weights): string {
  const hash = createHash("sha256");
  for (const [name, data] of weights) {
    const stride = Math.max(1, Math.floor(data.length / 64));
    hash.update(name).update(Float32Array.from({ length: Math.min(64, data.length) }, (_, i) => data[i * stride]!));
  }
  return hash.digest("hex");
}

/** Names weights by all their numbers: for what is kept on disk and must not be that of other weights. */
export function wholeWeightsHash(weights: Weights): string {
  const hash = createHash("sha256");
  for (const [name, data] of weights) hash.update(`${name} ${data.length} `).update(data);
  return hash.digest("hex");
}
