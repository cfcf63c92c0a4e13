import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Backend } from "../backend/backend.ts";
import { ConfigError, type ConfigIssue } from "../base/errors.ts";
import type { Batch } from "../data/batch.ts";
import { manifestFile } from "../data/manifest.ts";
import { type PrepareProgress, prepareCorpus } from "../data/prepare-corpus.ts";
import { batchLayout, planRows } from "../data/row-plan.ts";
import type { ExampleStream } from "../data/segment.ts";
import { ShardedCorpus } from "../data/sharded-corpus.ts";
import type { TextSource } from "../data/source.ts";
import type { ComputeDType } from "../ir/dtype.ts";
import type { ModelState } from "../models/family.ts";
import type { PretrainingModel } from "../models/model.ts";
import type { PretrainingObjective } from "../objectives/objective.ts";
import { type GivenEngine, withEngine } from "../runtime.ts";
import { Evaluator } from "../train/evaluator.ts";
import type { EvaluationEvent, TrainListener } from "../train/event.ts";
import { type TrainOptions, type TrainOptionsInput, trainOptionsTable } from "../train/options.ts";
import { type OpenEvaluation, type TrainResult, train } from "../train/trainer.ts";
import { fingerprintOf } from "./fingerprint.ts";
import type { PretrainedModel } from "./model.ts";

/** Text to read once, or a corpus that was prepared before. */
export type CorpusInput = TextSource | ShardedCorpus;

export interface PretrainOptions extends TrainOptionsInput {
  /** Folder for corpus, metrics, events and checkpoints. Without it nothing is kept but the result. */
  readonly outputDir?: string | undefined;
  readonly engine?: GivenEngine | undefined;
  /**
   * What activations and matrix products are computed in; `f32` by default. Weights, optimizer state, statistics and
   * losses are f32 whatever it says.
   */
  readonly dtype?: ComputeDType | undefined;
  readonly listener?: TrainListener | undefined;
  readonly onPrepare?: ((progress: PrepareProgress) => void) | undefined;
  /** Ends the run after the step in progress, with a checkpoint. */
  readonly signal?: AbortSignal | undefined;
  /** Share of the examples cut short; 0.1 by default. */
  readonly shortSequenceProbability?: number | undefined;
}

export interface Pretrained extends PretrainedModel {
  readonly run: Omit<TrainResult, "weights">;
  /** Last held-out loss in nats per masked token (plus the pair loss, if any); undefined without held-out text. */
  readonly evalLoss: number | undefined;
  readonly evaluations: readonly EvaluationEvent[];
}

/** Most held-out examples an evaluation uses unless told otherwise: enough for a loss good to about 1 %. */
export const DEFAULT_EVAL_EXAMPLES = 512;
/** Held-out examples whose rows are planned together. */
const EVAL_WINDOW = 4_096;

async function openCorpus(
  input: CorpusInput,
  objective: PretrainingObjective,
  folder: string,
  options: PretrainOptions,
): Promise<ShardedCorpus> {
  if (input instanceof ShardedCorpus) return input;
  const { tokenizer } = objective;
  const { onPrepare: onProgress, signal } = options;
  // A resumed run finds the corpus that it prepared when it began.
  if (existsSync(join(folder, manifestFile))) return ShardedCorpus.open(folder, { tokenizer });
  await prepareCorpus({
    source: input,
    tokenizer,
    outputFolder: folder,
    ...(onProgress === undefined ? {} : { onProgress }),
    ...(signal === undefined ? {} : { signal }),
  });
  return ShardedCorpus.open(folder, { tokenizer });
}

/** Batches of the same held-out examples with the same masks every time. */
export function* heldOutBatches(
  objective: PretrainingObjective,
  examples: ExampleStream,
  options: { readonly batchSize: number; readonly maxEvalExamples?: number | null },
): Generator<Batch> {
  const count = Math.min(examples.numExamples, options.maxEvalExamples ?? DEFAULT_EVAL_EXAMPLES);
  const { maxSeqLength, packed } = objective;
  const maxPlaces = options.batchSize * maxSeqLength;
  for (let from = 0; from < count; from += EVAL_WINDOW) {
    const drawn = Array.from({ length: Math.min(EVAL_WINDOW, count - from) }, (_, i) => {
      // Spread over the whole held-out text, not its beginning.
      const item = Math.floor(((from + i) * examples.numExamples) / count);
      return { example: examples.example(0, 0, item), epoch: 0, item };
    });
    const lengths = drawn.map(({ example }) => objective.rowLength(example));
    for (const planned of planRows(lengths, { packed, maxSeqLength, maxPlaces })) {
      const { items, layout } = batchLayout(planned);
      yield objective.collate(
        items.map((i) => drawn[i]!),
        0,
        layout,
      );
    }
  }
}

/** Evaluates on the same held-out examples with the same masks every time. */
export function heldOutEvaluation(
  backend: Backend,
  module: PretrainingModel,
  objective: PretrainingObjective,
  examples: ExampleStream,
  options: TrainOptions,
  dtype: ComputeDType = "f32",
): OpenEvaluation {
  return (store) => {
    const evaluator = new Evaluator({
      backend,
      store,
      model: module,
      loss: objective.loss,
      policy: { compute: dtype },
    });
    return {
      run: () => evaluator.run(heldOutBatches(objective, examples, options)),
      dispose: () => evaluator.dispose(),
    };
  };
}

/** Whether a network has places for the longest sequence. */
export function roomIssues(maxPositionEmbeddings: number, maxSeqLength: number): ConfigIssue[] {
  if (maxSeqLength <= maxPositionEmbeddings) return [];
  const message = `must be at most maxPositionEmbeddings; got ${maxSeqLength} and ${maxPositionEmbeddings}.`;
  return [{ path: "objective.maxSeqLength", message, code: "SEQUENCE_TOO_LONG" }];
}

/**
 * Checks model, tokenizer and objective against each other.
 * @param model its weights are not looked at
 * @throws {ConfigError} all broken rules together: VOCABULARY_MISMATCH, SEQUENCE_TOO_LONG, CONFIG_RANGE, the objective's
 */
export function requireFit(
  model: Omit<ModelState<PretrainingModel>, "weights">,
  objective: PretrainingObjective,
): void {
  const { vocabSize, maxPositionEmbeddings } = model.family.facts(model.config);
  const { tokenizer, maxSeqLength } = objective;
  const issues = [
    ...(tokenizer.vocabSize <= vocabSize
      ? []
      : [
          {
            path: "model.vocabSize",
            message: `must be at least the tokenizer's; got ${vocabSize} and ${tokenizer.vocabSize}. Use ${tokenizer.vocabSize}.`,
            code: "VOCABULARY_MISMATCH",
          },
        ]),
    ...roomIssues(maxPositionEmbeddings, maxSeqLength),
    ...(maxSeqLength >= 8
      ? []
      : [
          { path: "objective.maxSeqLength", message: `must be at least 8; got ${maxSeqLength}.`, code: "CONFIG_RANGE" },
        ]),
    ...objective.modelIssues(model.module),
  ];
  if (issues.length > 0) throw new ConfigError("pretrain", issues);
}

/**
 * Pre-trains a model on text.
 *
 * @param corpus `train` and, for held-out figures, `eval`; a text source's `split` gives both
 * @returns the model with its trained weights; losses in nats
 * @throws {ConfigError} when model, tokenizer and objective do not fit, or options are wrong: all problems together
 * @throws {DataError} for text that cannot be used
 * @throws {DivergenceError} NOT_FINITE when the loss is no longer a number; the last checkpoint stays
 * @source Devlin et al. 2019 §3.1, arXiv:1810.04805
 */
export async function pretrain(
  model: ModelState<PretrainingModel>,
  objective: PretrainingObjective,
  corpus: { readonly train: CorpusInput; readonly eval?: CorpusInput },
  options: PretrainOptions,
): Promise<Pretrained> {
  const {
    outputDir,
    engine,
    dtype = "f32",
    listener,
    onPrepare,
    signal,
    shortSequenceProbability,
    ...trainInput
  } = options;
  const resolved = trainOptionsTable.resolve(trainInput);
  requireFit(model, objective);
  const folder = outputDir ?? (await mkdtemp(join(tmpdir(), "firth-")));
  const opened: ShardedCorpus[] = [];
  const open = async (input: CorpusInput, name: string): Promise<ShardedCorpus> => {
    const result = await openCorpus(input, objective, join(folder, name), options);
    if (result !== input) opened.push(result);
    return result;
  };
  try {
    const trainCorpus = await open(corpus.train, "corpus");
    const evalCorpus = corpus.eval === undefined ? undefined : await open(corpus.eval, "corpus-eval");
    const { tokenizer, name, settings } = objective;
    const { recomputeLayers: _memory, lanes: _lanes, noDropoutRatio, ...numeric } = resolved;
    return await withEngine(
      engine,
      async (backend) => {
        const evaluation =
          evalCorpus === undefined
            ? undefined
            : heldOutEvaluation(backend, model.module, objective, objective.examples(evalCorpus, 0), resolved, dtype);
        const { weights, ...run } = await train({
          backend,
          model: model.module,
          weights: model.weights,
          objective,
          examples: objective.examples(trainCorpus, shortSequenceProbability ?? 0.1),
          options: resolved,
          policy: { compute: dtype },
          evaluation,
          outputDir,
          fingerprint: fingerprintOf({
            config: model.config,
            objective: { name, ...settings },
            tokenizer: tokenizer.hash,
            corpus: trainCorpus.manifest,
            // What does nothing is left out: a run from before there was the setting goes on.
            options: noDropoutRatio === 0 ? numeric : { ...numeric, noDropoutRatio },
          }),
          listener,
          signal,
        });
        const last = run.evaluations.at(-1);
        return { ...model, weights, tokenizer, run, evaluations: run.evaluations, evalLoss: last?.loss };
      },
      dtype,
    );
  } finally {
    for (const item of opened) await item.close();
    if (outputDir === undefined) await rm(folder, { recursive: true, force: true });
  }
}
