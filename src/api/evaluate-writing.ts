/** @file What a model writes for held-out sources, beside what should be written. */
import type { Backend } from "../backend/backend.ts";
import { ConfigError, DataError } from "../base/errors.ts";
import type { TableSource } from "../data/table.ts";
import {
  type BleuScore,
  type ChrfScore,
  corpusBleu,
  corpusChrf,
  meanRouge,
  type RougeScores,
} from "../evaluation/index.ts";
import type { ComputeDType } from "../ir/dtype.ts";
import { withEngine } from "../runtime.ts";
import type { SequenceToSequence } from "../tasks/sequence-to-sequence.ts";
import type { TextPairData } from "../tasks/sequence-to-sequence-data.ts";
import { type GenerateOptions, openGenerator } from "./generate.ts";
import type { PretrainedModel } from "./model.ts";
import { measureFinal } from "./run-task.ts";
import { vocabularyIssues } from "./start-classifier.ts";
import { heldOutPairs, type WritingFigures, writingFigures } from "./writing-loss.ts";

/** A source, what should be written for it, and what was. */
export interface WrittenPair {
  readonly source: string;
  readonly target: string;
  readonly written: string;
}

/** Figures of written texts beside their targets. */
export interface WritingEvaluation {
  readonly bleu: BleuScore;
  readonly chrf: ChrfScore;
  readonly rouge: RougeScores<"rouge1" | "rouge2" | "rougeL">;
  readonly pairs: readonly WrittenPair[];
}

export interface EvaluateWritingOptions extends GenerateOptions {
  /** Pairs that are written for, from the front; all by default. */
  readonly count?: number | undefined;
}

/**
 * Writes targets for the sources of held-out pairs, and counts BLEU, chrF and ROUGE. Sources that were cut are given as they
 * were cut.
 * @param data at least one pair
 * @throws {ConfigError} for wrong options; {FirthError} MODEL_CANNOT_WRITE
 */
export async function evaluateWriting(
  model: PretrainedModel,
  data: TextPairData,
  options: EvaluateWritingOptions = {},
): Promise<WritingEvaluation> {
  const { count = data.pairs.length, engine, dtype, quantize, ...settings } = options;
  const { tokenizer } = model;
  const sources = data.sources.slice(0, count);
  const encoded = await tokenizer.encodeIds(sources);
  const prompts = await Promise.all(
    sources.map((text, i) => {
      const { source } = data.pairs[i]!;
      return source.length === encoded[i]!.ids.length ? text : tokenizer.decode(source);
    }),
  );
  const generator = await openGenerator(model, { engine, dtype, quantize });
  try {
    const texts = await generator.generate(prompts, settings);
    const pairs = sources.map((source, i) => {
      return { source, target: data.targets[i]!, written: texts[i]![0]!.text.trim() };
    });
    const [written, targets] = [pairs.map((pair) => pair.written), pairs.map((pair) => pair.target)];
    const references = targets.map((target) => [target]);
    return {
      bleu: corpusBleu(written, references),
      chrf: corpusChrf(written, references),
      rouge: meanRouge(written, targets, { kinds: ["rouge1", "rouge2", "rougeL"] }),
      pairs,
    };
  } finally {
    await generator.dispose();
  }
}

export interface EvaluateWriterOptions extends EvaluateWritingOptions {
  /** Pairs whose loss is computed together; 32 by default. `batchSize` is that of writing. */
  readonly lossBatchSize?: number | undefined;
}

/** All figures of a model that writes. */
export interface WriterEvaluation extends WritingFigures {
  readonly numPairs: number;
  /** Pairs of which one side was cut. */
  readonly numTruncated: number;
  /** Undefined where nothing was to be written (`count` 0). */
  readonly written: WritingEvaluation | undefined;
}

async function lossOf(
  model: PretrainedModel,
  task: SequenceToSequence,
  data: TextPairData,
  {
    backend,
    dtype,
    batchSize,
  }: { readonly backend: Backend; readonly dtype: ComputeDType; readonly batchSize: number },
): Promise<WritingFigures> {
  const { module, weights } = model;
  const { packed } = task.settings;
  const policy = { compute: dtype };
  const evaluation = heldOutPairs(task.objectiveFor(module), data.pairs, {
    backend,
    policy,
    batchSize,
    packed,
    module,
  });
  return writingFigures(await measureFinal(backend, module, weights, ({ store }) => evaluation(store)));
}

/**
 * Evaluates a model that writes (BART, MASS, UniLM) on a table of sources and targets: the loss of the true targets, and
 * BLEU, chrF and ROUGE of what it writes.
 * @param options `quantize` is for writing: the loss is that of the weights as they are
 * @throws {ConfigError} when model and task do not fit, or options are wrong: all problems together
 * @throws {DataError} for rows that cannot be used, naming file and line; DATA_EMPTY
 */
export async function evaluateWriter(
  model: PretrainedModel,
  task: SequenceToSequence,
  table: TableSource,
  options: EvaluateWriterOptions = {},
): Promise<WriterEvaluation> {
  const { engine, dtype = "f32", lossBatchSize: batchSize = 32, count, ...writing } = options;
  const opened = { state: model, tokenizer: model.tokenizer };
  const issues = [...vocabularyIssues(opened, task.settings.tokenizer), ...task.modelIssues(model.module)];
  for (const [path, value, least] of [["lossBatchSize", batchSize, 1] as const, ["count", count ?? 0, 0] as const]) {
    if (Number.isInteger(value) && value >= least) continue;
    issues.push({ path, message: `must be a whole number ≥ ${least}; got ${value}.`, code: "CONFIG_RANGE" });
  }
  if (issues.length > 0) throw new ConfigError("evaluate", issues);
  const data = await task.read(table);
  const { pairs, numTruncated } = data;
  if (pairs.length === 0) {
    throw new DataError("there are no pairs to evaluate on. Check the file.", { code: "DATA_EMPTY", path: table.name });
  }
  return withEngine(
    engine,
    async (backend) => {
      const figures = await lossOf(model, task, data, { backend, dtype, batchSize });
      const written =
        count === 0 ? undefined : await evaluateWriting(model, data, { ...writing, count, engine: backend, dtype });
      return { ...figures, numPairs: pairs.length, numTruncated, written };
    },
    dtype,
  );
}
