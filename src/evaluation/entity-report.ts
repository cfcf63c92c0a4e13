/** @file Precision, recall and F1 of entities. */
import { DataError } from "../base/errors.ts";
import { type Entity, entitiesOf, strictEntitiesOf, type TagScheme } from "./tag-scheme.ts";

export interface EntityScore {
  readonly precision: number;
  readonly recall: number;
  readonly f1: number;
  /** True entities. */
  readonly support: number;
}

/** Figures of predicted entities; one counts as found where its type and both its ends are right. */
export interface EntityReport {
  /** Over all entities of all types together: the usual figure. */
  readonly micro: EntityScore;
  /** Mean over the types. */
  readonly macro: EntityScore;
  /** Mean over the types, by their support. */
  readonly weighted: EntityScore;
  /** By type, sorted. */
  readonly types: Readonly<Record<string, EntityScore>>;
}

function share(part: number, whole: number): number {
  return whole === 0 ? 0 : part / whole;
}

function score(found: number, predicted: number, support: number): EntityScore {
  const [precision, recall] = [share(found, predicted), share(found, support)];
  return { precision, recall, f1: share(2 * precision * recall, precision + recall), support };
}

function mean(scores: readonly EntityScore[], weights: readonly number[]): EntityScore {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const of = (key: "precision" | "recall" | "f1"): number =>
    share(
      scores.reduce((sum, item, i) => sum + item[key] * weights[i]!, 0),
      total,
    );
  const support = scores.reduce((sum, item) => sum + item.support, 0);
  return { precision: of("precision"), recall: of("recall"), f1: of("f1"), support };
}

/** Demands as many predicted sentences and tags as true ones. @throws {DataError} LENGTHS_DIFFER */
function checkTags(
  where: string,
  truth: readonly (readonly string[])[],
  predicted: readonly (readonly string[])[],
): void {
  const isWhole = truth.length === predicted.length;
  const wrong = isWhole ? truth.findIndex((tags, i) => tags.length !== predicted[i]!.length) : 0;
  if (wrong < 0) return;
  const [a, b] = isWhole ? [truth[wrong]!, predicted[wrong]!] : [truth, predicted];
  const what = isWhole ? `tags of sentence ${wrong}` : "sentences";
  throw new DataError(`${what}: there must be as many predicted as true ones; got ${b.length} and ${a.length}.`, {
    code: "LENGTHS_DIFFER",
    path: where,
  });
}

/**
 * Precision, recall and F1 of entities in tagged sentences; a figure without anything to count is 0.
 * @param truth, predicted tags of the same sentences
 * @param scheme counts only entities that are well formed in it (seqeval's strict mode); left out, tags are mended as conlleval does
 * @throws {DataError} LENGTHS_DIFFER, TAG_UNKNOWN
 * @source seqeval 1.2.2. Differs: the mean over no type is 0, not NaN
 */
export function entityReport(
  truth: readonly (readonly string[])[],
  predicted: readonly (readonly string[])[],
  scheme?: TagScheme,
): EntityReport {
  checkTags("entityReport", truth, predicted);
  const find = (tags: readonly string[]): Entity[] =>
    scheme === undefined ? entitiesOf(tags) : strictEntitiesOf(tags, scheme);
  const counts = new Map<string, { found: number; predicted: number; support: number }>();
  const of = (type: string) => {
    const known = counts.get(type) ?? { found: 0, predicted: 0, support: 0 };
    counts.set(type, known);
    return known;
  };
  truth.forEach((tags, i) => {
    const expected = new Set<string>();
    for (const { type, start, end } of find(tags)) {
      of(type).support++;
      expected.add(`${start} ${end} ${type}`);
    }
    for (const { type, start, end } of find(predicted[i]!)) {
      const count = of(type);
      count.predicted++;
      if (expected.has(`${start} ${end} ${type}`)) count.found++;
    }
  });
  const types = [...counts].sort(([a], [b]) => (a < b ? -1 : 1));
  const scores = types.map(([, count]) => score(count.found, count.predicted, count.support));
  const sum = (key: "found" | "predicted" | "support"): number =>
    types.reduce((total, [, count]) => total + count[key], 0);
  return {
    micro: score(sum("found"), sum("predicted"), sum("support")),
    macro: mean(
      scores,
      scores.map(() => 1),
    ),
    weighted: mean(
      scores,
      scores.map(({ support }) => support),
    ),
    types: Object.fromEntries(types.map(([type], i) => [type, scores[i]!])),
  };
}

/** Share of the words whose tag is right; 0 without any word. @throws {DataError} LENGTHS_DIFFER */
export function tagAccuracy(truth: readonly (readonly string[])[], predicted: readonly (readonly string[])[]): number {
  checkTags("tagAccuracy", truth, predicted);
  let [right, total] = [0, 0];
  truth.forEach((tags, i) => {
    total += tags.length;
    tags.forEach((tag, word) => {
      if (tag === predicted[i]![word]) right++;
    });
  });
  return share(right, total);
}
