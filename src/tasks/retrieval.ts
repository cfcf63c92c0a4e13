/** @file The task: vectors of questions that lie near those of the texts that answer them (a Siamese network). */
import { ConfigError, type ConfigIssue } from "../base/errors.ts";
import type { ColumnRef, TableSource } from "../data/table.ts";
import type { HostTensor } from "../ir/dtype.ts";
import { bertFraming, type Framing } from "../models/framing.ts";
import { hiddenStateParameters } from "../models/hidden-state.ts";
import type { Encoder, PretrainingModel } from "../models/model.ts";
import { CarriedPart } from "../models/multi-task.ts";
import { truncatedNormal } from "../nn/initializer.ts";
import { Linear } from "../nn/layers.ts";
import { type ForwardContext, namedParameters } from "../nn/module.ts";
import type { LossFigures, Objective } from "../objectives/objective.ts";
import { integers } from "../objectives/row-batch.ts";
import { abs, add, compare, convert, mul, sub } from "../tensor/elementwise.ts";
import { crossEntropy } from "../tensor/fused.ts";
import { dot } from "../tensor/linear-algebra.ts";
import { concatenate, sliceAxis, transpose } from "../tensor/movement.ts";
import { argMax, square, sum } from "../tensor/reduction.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { Tokenizer } from "../tokenizers/tokenizer.ts";
import { type Pooling, poolings } from "./pooling.ts";
import {
  type RetrievalColumns,
  type RetrievalData,
  type RetrievalExample,
  type RetrievalReadOptions,
  readRetrieval,
} from "./retrieval-data.ts";
import { sentenceBatch, sentenceVectors, unitVectors } from "./sentence-vectors.ts";

/**
 * `inBatchNegatives`: a question must find its own passage among all passages of the batch (multiple negatives ranking);
 * `cosine`: the cosine of a pair must be its score; `classification`: a pair's class from (u, v, |u − v|).
 */
export type RetrievalLoss = "inBatchNegatives" | "cosine" | "classification";
export const retrievalLosses = [
  "inBatchNegatives",
  "cosine",
  "classification",
] as const satisfies readonly RetrievalLoss[];

export interface RetrievalOptions {
  readonly tokenizer: Tokenizer;
  /** Longest text in tokens, special tokens included; 128 by default. Longer ones are cut. */
  readonly maxSeqLength?: number | undefined;
  /** `question` by default. */
  readonly questionColumn?: ColumnRef | undefined;
  /** `answer` by default. */
  readonly passageColumn?: ColumnRef | undefined;
  /** Names what a passage stands for; passages of one group are never negatives of each other's questions. Its text by default. */
  readonly groupColumn?: ColumnRef | undefined;
  /** Holds a text, or a list of texts, that do not answer the question; none by default. */
  readonly negativeColumn?: ColumnRef | undefined;
  /** Of the score or class, for the losses cosine and classification; `label` by default. */
  readonly labelColumn?: ColumnRef | undefined;
  /** `inBatchNegatives` by default. */
  readonly loss?: RetrievalLoss | undefined;
  /** What cosines are multiplied with before the softmax; 20 by default. */
  readonly scale?: number | undefined;
  /** Whether passages must find their questions too; false by default. */
  readonly isSymmetric?: boolean | undefined;
  /** For cosine: the scores of "nothing in common" and "the same"; those of the training data by default. */
  readonly scoreRange?: readonly [number, number] | undefined;
  /** How the vectors of a text's tokens become one; `mean` by default. */
  readonly pooling?: Pooling | undefined;
  /** Put several short texts into one row; true by default. */
  readonly packed?: boolean | undefined;
}

/** All options of the task, with their values. */
export interface RetrievalSettings extends RetrievalColumns {
  readonly tokenizer: Tokenizer;
  readonly maxSeqLength: number;
  readonly loss: RetrievalLoss;
  readonly scale: number;
  readonly isSymmetric: boolean;
  readonly scoreRange: readonly [number, number] | undefined;
  readonly pooling: Pooling;
  readonly packed: boolean;
}

/** An encoder read twice, once for each text of a pair; a head where pairs have classes. */
export class SiameseNetwork extends CarriedPart {
  readonly head: Linear | undefined;
  readonly #network: PretrainingModel;

  /**
   * @param network whose encoder it is; what adapters it has must be in it already
   * @param numLabels classes of pairs; 0 for none
   */
  constructor(network: PretrainingModel, numLabels: number) {
    super(network);
    this.#network = network;
    const { hiddenSize } = network.encoder;
    this.head = numLabels === 0 ? undefined : new Linear(3 * hiddenSize, numLabels, truncatedNormal(0.02));
  }

  get encoder(): Encoder {
    return this.#network.encoder;
  }
}

/** Whether the task uses a parameter of its network never, by name: those of the pooler, and of a decoder. */
export function unusedBySearch(model: SiameseNetwork): (name: string) => boolean {
  const used = hiddenStateParameters(model);
  const own = new Set<unknown>(model.head === undefined ? [] : namedParameters(model.head).values());
  const unused = [...namedParameters(model)].filter(([name, parameter]) => !used.has(name) && !own.has(parameter));
  const names = new Set(unused.map(([name]) => name));
  return (name) => names.has(name);
}

/** A task that reads pairs of texts and is learnt as an objective. */
export interface Retrieval extends Objective<RetrievalExample, SiameseNetwork> {
  readonly settings: RetrievalSettings;
  /** @param options the model's framing; `labels` of the training data for held-out pairs; a `corpus` of further passages */
  read(
    source: TableSource,
    options?: RetrievalReadOptions & { readonly framing?: Framing | undefined },
  ): Promise<RetrievalData>;
  /** The task as it is for some data, whose answers say which passages of a batch are no negatives. */
  objective(data: Pick<RetrievalData, "answers">): Objective<RetrievalExample, SiameseNetwork>;
}

/** Added to the score of a passage that answers the question too, or is its own once more. */
const EXCLUDED = -1e4;

function resolve(options: RetrievalOptions): RetrievalSettings {
  const { tokenizer, maxSeqLength = 128, questionColumn = "question", passageColumn = "answer" } = options;
  const { labelColumn = "label", loss = "inBatchNegatives", scale = 20, isSymmetric = false } = options;
  const { pooling = "mean", packed = true, groupColumn, negativeColumn, scoreRange } = options;
  const issues: ConfigIssue[] = [];
  const note = (path: string, message: string, code = "CONFIG_RANGE"): void => {
    issues.push({ path, message, code });
  };
  if (!(Number.isInteger(maxSeqLength) && maxSeqLength >= 5)) {
    note("maxSeqLength", `must be a whole number ≥ 5; got ${maxSeqLength}.`);
  }
  if (!retrievalLosses.includes(loss)) {
    note("loss", `must be one of ${retrievalLosses.join(", ")}; got ${JSON.stringify(loss)}.`, "CONFIG_UNKNOWN_VALUE");
  }
  if (!poolings.includes(pooling)) {
    note("pooling", `must be one of ${poolings.join(", ")}; got ${JSON.stringify(pooling)}.`, "CONFIG_UNKNOWN_VALUE");
  }
  if (!(Number.isFinite(scale) && scale > 0)) note("scale", `must be a number above 0; got ${scale}.`);
  if (questionColumn === passageColumn) {
    note("passageColumn", `must not be the question's column; got ${passageColumn}.`, "CONFIG_AMBIGUOUS");
  }
  const others = { negativeColumn: negativeColumn !== undefined, isSymmetric };
  for (const [path, isGiven] of Object.entries(others)) {
    if (isGiven && loss !== "inBatchNegatives")
      note(path, `is for the loss inBatchNegatives; the loss is ${loss}.`, "CONFIG_AMBIGUOUS");
  }
  if (scoreRange !== undefined && !(scoreRange[0] < scoreRange[1])) {
    note("scoreRange", `must rise; got ${scoreRange.join(", ")}.`);
  }
  if (issues.length > 0) throw new ConfigError("retrieval", issues);
  return {
    ...{ tokenizer, maxSeqLength, questionColumn, passageColumn, groupColumn, negativeColumn, labelColumn },
    ...{ loss, scale, isSymmetric, scoreRange, pooling, packed },
  };
}

/** Which passages of a batch are no negatives for a question: −10⁴ there, 0 elsewhere. Dims: N questions, M passages. */
function exclusions(
  examples: readonly RetrievalExample[],
  answers: RetrievalData["answers"],
): { readonly data: Float32Array; readonly shape: readonly [number, number] } {
  // Passages first, then the first negative of each question, then the second …
  const groups = examples[0]!.groups.flatMap((_, place) => examples.map((example) => example.groups[place]!));
  const [rows, columns] = [examples.length, groups.length];
  const data = new Float32Array(rows * columns);
  examples.forEach(({ question, groups: own }, row) => {
    groups.forEach((group, column) => {
      if (column === row) return;
      if (group === own[0] || answers[question]?.has(group) === true) data[row * columns + column] = EXCLUDED;
    });
  });
  return { data, shape: [rows, columns] };
}

/** Scores of all passages for each question, as the softmax takes them. */
function batchScores(vectors: Tensor, batch: Readonly<Record<string, Tensor>>, scale: number): Tensor {
  const excluded = batch.excluded!;
  const numQuestions = excluded.dim(0);
  const units = unitVectors(vectors);
  const questions = sliceAxis(units, 0, 0, numQuestions);
  const passages = sliceAxis(units, 0, numQuestions, vectors.dim(0));
  return add(mul(dot(questions, passages, { lhsContract: [1], rhsContract: [1] }), scale), excluded);
}

function inBatchLoss(
  vectors: Tensor,
  batch: Readonly<Record<string, Tensor>>,
  { scale, isSymmetric }: RetrievalSettings,
): LossFigures {
  const labels = batch.labels!;
  const count = "pairs";
  const scores = batchScores(vectors, batch, scale);
  const forward = sum(crossEntropy(scores, labels));
  const hits = sum(convert(compare("eq", argMax(scores), labels), "f32"));
  const metrics = { accuracy: { sum: hits, count } };
  if (!isSymmetric) return { terms: { retrieval: { sum: forward, count, weight: 1 } }, metrics };
  const backward = sum(crossEntropy(transpose(sliceAxis(scores, 1, 0, labels.dim(0))), labels));
  return { terms: { retrieval: { sum: add(forward, backward), count, weight: 0.5 } }, metrics };
}

/** The vectors of a batch's first and second texts. */
function halves(vectors: Tensor): readonly [Tensor, Tensor] {
  const numPairs = vectors.dim(0) / 2;
  return [sliceAxis(vectors, 0, 0, numPairs), sliceAxis(vectors, 0, numPairs, 2 * numPairs)];
}

function cosineLoss(vectors: Tensor, batch: Readonly<Record<string, Tensor>>): LossFigures {
  const [first, second] = halves(unitVectors(vectors));
  const errors = square(sub(sum(mul(first, second), 1), batch.scores!));
  return { terms: { retrieval: { sum: sum(errors), count: "pairs", weight: 1 } }, metrics: {} };
}

function classificationLoss(
  model: SiameseNetwork,
  context: ForwardContext,
  vectors: Tensor,
  batch: Readonly<Record<string, Tensor>>,
): LossFigures {
  const [first, second] = halves(vectors);
  const features = concatenate([first, second, abs(sub(first, second))], 1);
  const bias = context.parameter(model.head!.bias);
  const logits = convert(model.head!.apply(context, convert(features, bias.dtype)), "f32");
  const hits = sum(convert(compare("eq", argMax(logits), batch.labels!), "f32"));
  return {
    terms: { retrieval: { sum: sum(crossEntropy(logits, batch.labels!)), count: "pairs", weight: 1 } },
    metrics: { accuracy: { sum: hits, count: "pairs" } },
  };
}

/**
 * Vectors for search: one network reads questions and passages apart, and learns to put those near each other that belong
 * together. The loss term is `retrieval`.
 *
 * Batches cannot be divided into lanes: every passage of a batch is a negative of all its other questions. Passages that
 * answer a question too (the same text, group or pair elsewhere in the data) are no negatives of it.
 * @throws {ConfigError} all problems together
 * @source Reimers & Gurevych 2019 §3, arXiv:1908.10084; in-batch negatives: Henderson et al. 2017 §4.4, arXiv:1705.00652,
 * with the scaled cosine of the authors' repository of Sentence-BERT
 */
export function retrieval(options: RetrievalOptions): Retrieval {
  const settings = resolve(options);
  const { tokenizer, loss, pooling } = settings;
  const objective = ({ answers }: Pick<RetrievalData, "answers">): Objective<RetrievalExample, SiameseNetwork> => ({
    name: "retrieval",
    collate: (drawn) => {
      const examples = drawn.map(({ example }) => example);
      const texts = examples[0]!.texts.flatMap((_, place) => examples.map((example) => example.texts[place]!));
      const batch = sentenceBatch(texts, { ...settings, padId: tokenizer.special.pad });
      const numPairs = examples.length;
      const own: Record<string, HostTensor> = {};
      if (loss === "inBatchNegatives") {
        own.excluded = { dtype: "f32", ...exclusions(examples, answers) };
        own.labels = integers(
          Int32Array.from(examples, (_, i) => i),
          [numPairs],
        );
      } else if (loss === "classification") {
        own.labels = integers(
          Int32Array.from(examples, ({ label }) => label),
          [numPairs],
        );
      } else {
        own.scores = { dtype: "f32", shape: [numPairs], data: Float32Array.from(examples, ({ label }) => label) };
      }
      return {
        ...batch,
        tensors: { ...batch.tensors, ...own },
        counts: { pairs: numPairs },
        numSequences: numPairs,
      };
    },
    loss: (model, context, batch) => {
      const vectors = sentenceVectors(model.encoder, context, batch, pooling);
      if (loss === "inBatchNegatives") return inBatchLoss(vectors, batch, settings);
      return loss === "cosine" ? cosineLoss(vectors, batch) : classificationLoss(model, context, vectors, batch);
    },
  });
  return {
    ...objective({ answers: [] }),
    settings,
    read: (source, { framing = bertFraming, ...others } = {}) => {
      const pairLabel = { inBatchNegatives: "none", cosine: "score", classification: "class" } as const;
      return readRetrieval(source, { ...settings, framing, pairLabel: pairLabel[loss] }, others);
    },
    objective,
  };
}
