/** @file An index of nearest neighbours that is measured when it is made. */
import { Random } from "../base/random.ts";
import type { EntryStore } from "./entry-store.ts";
import type { NeighbourIndex } from "./index-manifest.ts";

/** Entries that are looked for to measure it, and neighbours of each. */
const NUM_QUERIES = 100;
const NEAR = 10;
/** Share of the true neighbours that must be found. */
const WANTED_RECALL = 0.95;
/** Scores that differ by no more are the same. */
const SAME_SCORE = 1e-5;
/** Entries without which partitions make no sense. */
const LEAST_ENTRIES = 1_000;

interface Sampled {
  readonly id: string;
  readonly vector: Float32Array;
}

/** Vectors of entries drawn evenly, with their ids (Vitter's reservoir). */
async function sampleOf(store: EntryStore): Promise<Sampled[]> {
  const random = new Random(1, "neighbours");
  const kept: Sampled[] = [];
  let seen = 0;
  for await (const { id, vector } of store.entries()) {
    seen++;
    if (kept.length < NUM_QUERIES) kept.push({ id, vector });
    else {
      const place = random.nextInt(seen);
      if (place < NUM_QUERIES) kept[place] = { id, vector };
    }
  }
  return kept;
}

/** Scores of the entries that are nearest to each of a sample, best first: all are compared, in one pass over them. */
async function bestScores(store: EntryStore, sample: readonly Sampled[]): Promise<readonly (readonly number[])[]> {
  const best = sample.map((): number[] => []);
  for await (const { id, vector } of store.entries()) {
    for (const [i, asked] of sample.entries()) {
      if (id === asked.id) continue;
      let score = 0;
      for (let k = 0; k < vector.length; k++) score += vector[k]! * asked.vector[k]!;
      const own = best[i]!;
      if (own.length === NEAR && score <= own[NEAR - 1]!) continue;
      let place = own.length;
      while (place > 0 && own[place - 1]! < score) place--;
      own.splice(place, 0, score);
      if (own.length > NEAR) own.pop();
    }
  }
  return best;
}

/**
 * Makes an index of nearest neighbours, and looks into as many of its partitions as it takes to find 95 % of the ten nearest
 * neighbours of a hundred entries.
 * @returns undefined where there are too few entries
 */
export async function measuredNeighbours(store: EntryStore): Promise<NeighbourIndex | undefined> {
  const numEntries = await store.count();
  if (numEntries < LEAST_ENTRIES) return undefined;
  const numPartitions = Math.round(Math.sqrt(numEntries));
  await store.buildNeighbours(numPartitions);
  const sample = await sampleOf(store);
  const exact = await bestScores(store, sample);
  /** Scores of the entries found beside an entry itself. */
  const scores = async (vector: Float32Array, own: string, numProbes: number): Promise<number[]> => {
    const found = await store.search(vector, { count: NEAR + 1, numProbes });
    return found
      .filter(({ id }) => id !== own)
      .map(({ score }) => score)
      .slice(0, NEAR);
  };
  const recallAt = async (numProbes: number): Promise<number> => {
    let hits = 0;
    for (const [i, { id, vector }] of sample.entries()) {
      // Of entries that are equally near, one is as good as another.
      const least = exact[i]!.at(-1)! - SAME_SCORE;
      for (const score of await scores(vector, id, numProbes)) if (score >= least) hits++;
    }
    return hits / exact.reduce((sum, { length }) => sum + length, 0);
  };
  let numProbes = Math.min(8, numPartitions);
  let recall = await recallAt(numProbes);
  while (recall < WANTED_RECALL && numProbes < numPartitions) {
    numProbes = Math.min(numPartitions, 2 * numProbes);
    recall = await recallAt(numProbes);
  }
  return { numEntries, numPartitions, numProbes, recall, numQueries: sample.length };
}
