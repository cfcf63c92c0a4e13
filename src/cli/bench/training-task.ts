/** @file What a training benchmark trains: any family's network, on random tokens that fill their rows. */
import { Random } from "../../base/random.ts";
import type { Batch } from "../../data/batch.ts";
import { families } from "../../models/families.ts";
import { type ModelFamily, type ModelState, newModel } from "../../models/family.ts";
import type { PretrainingModel } from "../../models/model.ts";
import { causalLanguageModeling } from "../../objectives/causal-language-modeling.ts";
import { denoising } from "../../objectives/denoising.ts";
import { maskedLanguageModeling } from "../../objectives/masked-language-modeling.ts";
import type { PretrainingObjective } from "../../objectives/objective.ts";
import { WordPiece } from "../../tokenizers/wordpiece.ts";

export interface TrainingTaskOptions {
  /** One of `benchmarkModels`. */
  readonly model: string;
  /** Transformer layers (of each stack), instead of the size's own. */
  readonly layers?: number | undefined;
  /** Entries of the vocabulary; the family's own when left out. */
  readonly vocab?: number | undefined;
  /** Rows, and tokens in each: of an encoder–decoder in each of its two sides. */
  readonly batch: number;
  readonly seq: number;
  readonly seed: number;
  /** Dropout of attention's probabilities, of families that have one; the size's own when left out. */
  readonly attentionDropout?: number | undefined;
}

export interface TrainingTask {
  readonly state: ModelState<PretrainingModel>;
  readonly objective: PretrainingObjective;
  readonly batch: Batch;
  readonly vocab: number;
}

interface Size {
  readonly family: ModelFamily;
  readonly preset: string;
}

const sizes: ReadonlyMap<string, Size> = new Map(
  families.flatMap((family) => family.presets.map((preset) => [`${family.name}-${preset}`, { family, preset }])),
);

/** Every family's sizes: `bert-base`, `gpt2-small`, … */
export const benchmarkModels: readonly string[] = [...sizes.keys()];

const special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];

/** A vocabulary of the right size: objectives ask their tokenizer for nothing else here. */
function placeholderTokenizer(vocab: number): WordPiece {
  return WordPiece.fromVocabulary([...special, ...Array.from({ length: vocab - special.length }, (_, i) => `t${i}`)]);
}

/** What a model learns in its family's way: to write, to fill in, or to go on. */
function objectiveOf(model: PretrainingModel, tokenizer: WordPiece, maxSeqLength: number): PretrainingObjective {
  const options = { tokenizer, maxSeqLength, packed: false };
  // One [MASK] a token: the source is as long as its target.
  if (model.decoder !== undefined) return denoising({ ...options, tokenMasking: 0.3 });
  return model.maskedLmLogits === undefined ? causalLanguageModeling(options) : maskedLanguageModeling(options);
}

/** A batch of random texts, each of which fills its row. */
function randomBatch(
  { rowLength, collate }: PretrainingObjective,
  { batch, seq, seed }: TrainingTaskOptions,
  vocab: number,
): Batch {
  const random = new Random(seed, "benchmark");
  const exampleOf = (length: number) => {
    const tokens = Int32Array.from({ length }, () => special.length + random.nextInt(vocab - special.length));
    return { a: { tokens, wordStarts: new Uint8Array(length).fill(1) } };
  };
  const length = seq - (rowLength(exampleOf(seq)) - seq);
  const drawn = Array.from({ length: batch }, (_, item) => ({ example: exampleOf(length), epoch: 0, item }));
  return collate(drawn, seed, { rows: drawn.map(({ item }) => [item]), numRows: batch, width: seq });
}

/**
 * A new network of the named size, its family's objective, and one batch for it: rows without padding.
 * @throws {ConfigError} all problems of the size together
 */
export function trainingTask(options: TrainingTaskOptions): TrainingTask {
  const { model, layers, seq, seed, attentionDropout } = options;
  const { family, preset } = sizes.get(model)!;
  const settings = {
    preset,
    ...(layers === undefined ? {} : { numHiddenLayers: layers }),
    ...(attentionDropout === undefined ? {} : { attentionProbsDropoutProb: attentionDropout }),
  };
  const vocab = options.vocab ?? family.facts(family.configure(settings)).vocabSize;
  const tokenizer = placeholderTokenizer(vocab);
  let config = family.configure(settings, tokenizer);
  const lacking = seq - family.facts(config).maxPositionEmbeddings;
  if (lacking > 0) {
    const { maxPositionEmbeddings } = config as { readonly maxPositionEmbeddings: number };
    config = family.configure({ ...settings, maxPositionEmbeddings: maxPositionEmbeddings + lacking }, tokenizer);
  }
  const state = newModel(family, config, { seed });
  const objective = objectiveOf(state.module, tokenizer, seq);
  return { state, objective, batch: randomBatch(objective, options, vocab), vocab };
}
