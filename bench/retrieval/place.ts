/** @file Where and how the parts of the search benchmark are measured, and what an interrupted run has left. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fingerprintOf, weightsHash } from "../../src/api/fingerprint.ts";
import { type LoadedPretrained, loadPretrained } from "../../src/api/load.ts";
import type { Backend } from "../../src/backend/backend.ts";
import type { ComputeDType } from "../../src/ir/dtype.ts";
import { load } from "../section.mjs";

export interface Place {
  readonly data: string;
  /** Folder of the pre-trained model. */
  readonly start: string;
  readonly model: LoadedPretrained;
  /** What is made and measured with this model and this engine. */
  readonly work: string;
  readonly engine: Backend;
  readonly dtype: ComputeDType;
  readonly threads: number;
  /** Entries of the large index. */
  readonly numEntries: number;
  /** Questions of the FAQ that are learnt from and asked; all of them but in a trial. */
  readonly numPairs: number;
  /** Questions that are asked for times, and of which the cross-encoder reads every pair. */
  readonly numAsked: number;
  readonly numCrossed: number;
  /** Numbers of candidates that are compared. */
  readonly counts: readonly number[];
}

export type PlaceOptions = Omit<Place, "model" | "work"> & { readonly work: string };

/** Opens a place; its folder hangs on the model, so that nothing is taken for another one's. */
export async function openPlace(options: PlaceOptions): Promise<Place> {
  const { start, engine, dtype, threads } = options;
  const model = await loadPretrained(start);
  const name = fingerprintOf({
    weights: weightsHash(model.weights),
    tokenizer: model.tokenizer.hash,
    ...{ engine: engine.name, dtype, threads, pairs: String(options.numPairs) },
  });
  const work = join(options.work, name);
  mkdirSync(work, { recursive: true });
  return { ...options, model, work };
}

/** Prints a remark. */
export const say = (message: string): void => console.error(message);

/** What was measured under a name, or is now: an interrupted run goes on behind it. */
export async function kept<T>(
  { work, numEntries }: Pick<Place, "work" | "numEntries">,
  name: string,
  measure: () => Promise<T>,
): Promise<T> {
  const path = join(work, "measured", `${name.replaceAll(/\W+/g, "-")}-${numEntries}.json`);
  if (existsSync(path)) {
    say(`${name}: measured before (remove ${path} to measure it again)`);
    return JSON.parse(readFileSync(path, "utf8")) as T;
  }
  say(`${name} …`);
  const value = await measure();
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, JSON.stringify(value));
  return value;
}

/** Seconds, seconds of processor time and load of the machine around some work. */
export interface Effort {
  readonly seconds: number;
  readonly processor: number;
  readonly loads: readonly [before: string, after: string];
}

export async function timed<T>(work: () => Promise<T>): Promise<readonly [T, Effort]> {
  const before = load();
  const usage = process.cpuUsage();
  const began = performance.now();
  const value = await work();
  const seconds = (performance.now() - began) / 1000;
  const { user, system } = process.cpuUsage(usage);
  return [value, { seconds, processor: (user + system) / 1e6, loads: [before, load()] }];
}

/** How a model is called on the page. */
export function modelText({ model, start }: Pick<Place, "model" | "start">): string {
  const { numHiddenLayers, hiddenSize } = model.family.facts(model.config);
  const parts = start.split(/[\\/]/).filter(Boolean).slice(-2).join("/");
  return `${model.family.name}, ${numHiddenLayers} layers of ${hiddenSize} (${parts})`;
}
