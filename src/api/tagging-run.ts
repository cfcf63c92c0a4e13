/** @file What a run that learns to tag words has, alone or among other tasks. */
import { createHash } from "node:crypto";
import { ConfigError } from "../base/errors.ts";
import type { ComputeDType } from "../ir/dtype.ts";
import type { TokenModel } from "../models/model.ts";
import { type TaggingData, unknownTagsNotice } from "../tasks/tagging-data.ts";
import { type TaggingResult, taggingFigures, taggingResult } from "../tasks/tagging-evaluation.ts";
import type { TokenClassificationSettings } from "../tasks/token-classification.ts";
import { TokenClassifierProgram } from "../tasks/token-classifier-program.ts";
import type { TrainListener } from "../train/event.ts";
import type { HeldOut } from "./run-task.ts";
import { constraintFacts, tagDecoder } from "./tagger.ts";

/** Tells what a file of tagged sentences holds. */
export function tellTagging(listener: TrainListener | undefined, data: TaggingData): void {
  const { name, sentences, labels, numDivided, numConverted } = data;
  const say = (message: string) => listener?.({ kind: "notice", message: `${name}: ${message}` });
  const parts = numDivided === 0 ? "" : `, ${numDivided} in several windows`;
  const converted = numConverted === 0 ? "" : `, tags of ${numConverted} converted or mended`;
  say(`${sentences.length} sentences, ${labels.length} tags${parts}${converted}`);
  const unknown = unknownTagsNotice(data);
  if (unknown !== undefined) say(unknown);
}

/** Names data by what is in them. */
export function taggingHash({ windows, labels }: TaggingData): string {
  const hash = createHash("sha256").update(JSON.stringify(labels));
  for (const { tokens, places, labels: own } of windows) hash.update(tokens).update(places).update(own);
  return hash.digest("hex");
}

/** The first of the held-out sentences; all where there is no limit. */
function firstSentences(data: TaggingData, count: number | null): TaggingData {
  if (count === null) return data;
  const windows = data.windows.filter(({ sentence }) => sentence < count);
  return { ...data, sentences: data.sentences.slice(0, count), windows };
}

/**
 * How much faster the scores of neighbouring tags learn than the network: they are few, and begin at 0, which a network's
 * rate would hardly take them away from.
 */
const CHAIN_RATE = 100;

/** How much faster a tagger's parameters learn, by their names in it. */
export const chainRate = (name: string): number => (name.startsWith("crf.") ? CHAIN_RATE : 1);

/**
 * What the data say against the task.
 * @throws {ConfigError} CONFIG_AMBIGUOUS for rules of a scheme on tags that mark no entities
 */
export function requireScheme(
  { constrained }: TokenClassificationSettings,
  { marksEntities, name }: TaggingData,
  path = "task",
): void {
  if (!constrained || marksEntities) return;
  const message = `is for tags that mark entities; those of ${name} do not. Leave it out.`;
  throw new ConfigError("finetune", [{ path: `${path}.constrained`, message, code: "CONFIG_AMBIGUOUS" }]);
}

export interface HeldTaggingOptions {
  readonly settings: TokenClassificationSettings;
  readonly module: TokenModel;
  readonly labels: readonly string[];
  readonly batchSize: number;
  readonly maxEvalExamples: number | null;
  readonly dtype: ComputeDType;
  /** What the names of the module's parameters begin with where the weights lie; nothing when left out. */
  readonly prefix?: string | undefined;
}

/** Held-out sentences, measured with the weights of a run. */
export function heldTagging(
  all: TaggingData,
  { settings, module, labels, batchSize, maxEvalExamples, dtype, prefix = "" }: HeldTaggingOptions,
): HeldOut<TaggingResult> {
  const { tokenizer, maxSeqLength, packed, constrained, scheme } = settings;
  const preserved = constrained ? constraintFacts(scheme) : {};
  const some = firstSentences(all, maxEvalExamples);
  return {
    open: ({ backend, store }) => {
      const program = new TokenClassifierProgram({
        ...{ backend, store, model: module, batchSize, maxSeqLength, packed },
        ...{ policy: { compute: dtype }, padId: tokenizer.special.pad },
      });
      const weightOf = async (name: string) => (await store.buffer("value", prefix + name).read()) as Float32Array;
      return {
        run: async (part) => {
          const scored = part === "all" ? all : some;
          const decoder = await tagDecoder({ module, labels, preserved }, weightOf);
          return taggingResult(scored, await program.logits(scored.windows), decoder);
        },
        dispose: () => program.dispose(),
      };
    },
    isWhole: (maxEvalExamples ?? all.sentences.length) >= all.sentences.length,
    figures: taggingFigures,
  };
}
