/** @file What can be said of held-out items without any model: the least that a model should beat. */
import type { JudgedRow } from "./judged-row.ts";

/** What the training data say is true. */
export type TrainingTruth =
  | { readonly task: "textClassification"; readonly labels: readonly string[] }
  | { readonly task: "textRegression"; readonly labels: readonly number[] }
  | {
      readonly task: "tokenClassification";
      readonly sentences: readonly { readonly words: readonly string[]; readonly tags: readonly string[] }[];
    }
  | { readonly task: "questionAnswering" | "sequenceToSequence" | "multipleChoice" | "retrieval" };

export interface Baseline {
  /** What is said of every item. */
  readonly name: string;
  readonly rows: readonly JudgedRow[];
}

function counted(values: Iterable<string>): Map<string, number> {
  const counts = new Map<string, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return counts;
}

/** The commonest value; of equals the first. */
function commonest(counts: ReadonlyMap<string, number>): string {
  return [...counts].reduce((best, entry) => (entry[1] > best[1] ? entry : best))[0];
}

/**
 * What a rule without a model says of held-out rows: the training data's commonest class, their mean, each word's commonest
 * tag (of new words the commonest of all), or the source itself.
 * @param held judged rows of any model; only what is true of them is used
 * @returns undefined where no such rule is: for answers to questions, chosen options and searches
 */
export function baselineRows(truth: TrainingTruth, held: readonly JudgedRow[]): Baseline | undefined {
  switch (truth.task) {
    case "textClassification": {
      const counts = counted(truth.labels);
      const prediction = commonest(counts);
      const share = (name: string): number => (counts.get(name) ?? 0) / truth.labels.length;
      const rows = held.flatMap((row): JudgedRow[] => {
        if (row.task !== truth.task) return [];
        const names = Object.keys(row.probabilities);
        return [{ ...row, prediction, probabilities: Object.fromEntries(names.map((name) => [name, share(name)])) }];
      });
      return { name: "commonest class", rows };
    }
    case "textRegression": {
      const prediction = truth.labels.reduce((sum, label) => sum + label, 0) / truth.labels.length;
      const rows = held.flatMap((row) => (row.task === truth.task ? [{ ...row, prediction }] : []));
      return { name: "mean of the training data", rows };
    }
    case "tokenClassification": {
      const words = new Map<string, Map<string, number>>();
      for (const sentence of truth.sentences) {
        sentence.words.forEach((word, i) => {
          const own = words.get(word) ?? new Map<string, number>();
          words.set(word, own.set(sentence.tags[i]!, (own.get(sentence.tags[i]!) ?? 0) + 1));
        });
      }
      const all = commonest(counted(truth.sentences.flatMap(({ tags }) => tags)));
      const tagOf = (word: string): string => {
        const own = words.get(word);
        return own === undefined ? all : commonest(own);
      };
      const rows = held.flatMap((row): JudgedRow[] =>
        row.task === truth.task
          ? [{ ...row, prediction: row.words.map(tagOf), probabilities: row.words.map(() => 1) }]
          : [],
      );
      return { name: "each word's commonest tag", rows };
    }
    case "sequenceToSequence": {
      const rows = held.flatMap((row) =>
        row.task === "sequenceToSequence" ? [{ ...row, prediction: row.source }] : [],
      );
      return { name: "the source itself", rows };
    }
    default:
      return undefined;
  }
}
