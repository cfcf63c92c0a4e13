import { createHash } from "node:crypto";
import { ConfigError, type ConfigIssue } from "../base/errors.ts";
import type { TableSource } from "../data/table.ts";
import { familyOf } from "../models/families.ts";
import type { ModelState } from "../models/family.ts";
import type { PretrainingModel } from "../models/model.ts";
import { initialWeights } from "../nn/weights.ts";
import { withEngine } from "../runtime.ts";
import type { SequenceToSequence } from "../tasks/sequence-to-sequence.ts";
import type { TextPairData } from "../tasks/sequence-to-sequence-data.ts";
import { hasTokenizer, loadTokenizer } from "../tokenizers/load.ts";
import type { Tokenizer } from "../tokenizers/tokenizer.ts";
import type { EvaluationEvent, TrainListener } from "../train/event.ts";
import { type TrainResult, train } from "../train/trainer.ts";
import { type EvaluateWritingOptions, evaluateWriting, type WritingEvaluation } from "./evaluate-writing.ts";
import { type FinetuneOptions, resolveFinetune } from "./finetune-option.ts";
import { fingerprintOf, weightsHash } from "./fingerprint.ts";
import { saveModel, type TextModel } from "./model.ts";
import { vocabularyIssues } from "./start-classifier.ts";
import { heldOutPairs, type WritingFigures, writingFigures } from "./writing-loss.ts";

export interface WriterFinetuneOptions extends Omit<FinetuneOptions, "freeze" | "selectionFigure"> {
  /** How targets are written for held-out sources in the end, and for how many of them (`count`); not at all by default. */
  readonly writing?: Omit<EvaluateWritingOptions, "engine" | "dtype" | "signal"> | undefined;
}

/** A model that writes, and how it was made. */
export interface FinetunedWriter extends TextModel<PretrainingModel> {
  readonly run: Omit<TrainResult, "weights">;
  readonly evaluations: readonly EvaluationEvent[];
  /** Of these weights on the held-out table; undefined without one, or when the run was interrupted. */
  readonly evaluation: WritingFigures | undefined;
  /** What it wrote for held-out sources; undefined unless asked for. */
  readonly written: WritingEvaluation | undefined;
  /** Writes a Hugging Face model directory. */
  save(folder: string): Promise<void>;
}

/** A model, a model with its tokenizer, or the folder of one. */
export type WriterStart = string | ModelState<PretrainingModel>;

interface OpenedWriter {
  readonly state: ModelState<PretrainingModel>;
  readonly tokenizer: Tokenizer | undefined;
  readonly notices: readonly string[];
}

async function openWriter(start: WriterStart, seed: number): Promise<OpenedWriter> {
  if (typeof start !== "string") {
    const { tokenizer } = start as { readonly tokenizer?: Tokenizer };
    return { state: start, tokenizer, notices: [] };
  }
  const family = await familyOf(start);
  const tokenizer = hasTokenizer(start) ? await loadTokenizer(start) : undefined;
  const { labels: _labels, notices, newParameters, ...state } = await family.loadPretraining(start, seed);
  const fresh = newParameters.length === 0 ? [] : [`${start} lacks ${newParameters.join(", ")}: new from the seed`];
  return { state, tokenizer, notices: [...notices, ...fresh] };
}

function tell(listener: TrainListener | undefined, { name, pairs, numTruncated }: TextPairData): void {
  const cut = numTruncated === 0 ? "" : `, ${numTruncated} cut to the longest lengths`;
  listener?.({ kind: "notice", message: `${name}: ${pairs.length} pairs${cut}` });
}

/** Names data by what is in it. */
function pairsHash({ pairs }: TextPairData): string {
  const hash = createHash("sha256");
  for (const { source, target } of pairs) {
    hash.update(Int32Array.of(source.length, target.length)).update(source).update(target);
  }
  return hash.digest("hex");
}

/**
 * Fine-tunes a pre-trained model to write a target for a source: an encoder–decoder (BART, MASS), or an encoder that reads
 * in several orders (UniLM). A run with an `outputDir` that holds its checkpoint goes on from there.
 * @param tables `train` and, for held-out figures, `eval`
 * @throws {ConfigError} when model and task do not fit, or options are wrong: all problems together
 * @throws {DataError} for rows that cannot be used, naming file and line
 * @throws {DivergenceError} NOT_FINITE; the last checkpoint stays
 * @source Lewis et al. 2020 §3.3, arXiv:1910.13461; Song et al. 2019 §3.4, arXiv:1905.02450; Dong et al. 2019 §2.5,
 * arXiv:1905.03197
 */
export async function finetuneSequenceToSequence(
  start: WriterStart,
  task: SequenceToSequence,
  tables: { readonly train: TableSource; readonly eval?: TableSource | undefined },
  options: WriterFinetuneOptions = {},
): Promise<FinetunedWriter> {
  const { writing, ...others } = options;
  const { outputDir, engine, dtype = "f32", listener, signal, fromScratch = false } = others;
  const { tokenizer, packed } = task.settings;
  const issues: ConfigIssue[] = [];
  const { train: trainOptions, treatment } = resolveFinetune(others, issues);
  const seed = trainOptions?.seed ?? 0;
  const opened = await openWriter(start, seed);
  const { module, config } = opened.state;
  issues.push(...vocabularyIssues(opened, tokenizer), ...task.modelIssues(module));
  if (issues.length > 0 || trainOptions === undefined) throw new ConfigError("finetune", issues);
  for (const message of opened.notices) listener?.({ kind: "notice", message });

  const data = await task.read(tables.train);
  tell(listener, data);
  const held = tables.eval === undefined ? undefined : await task.read(tables.eval);
  if (held !== undefined) tell(listener, held);
  const weights = fromScratch ? initialWeights(module, seed) : opened.state.weights;
  const objective = task.objectiveFor(module);

  return withEngine(
    engine,
    async (backend) => {
      const { keepCheckpoints: _keep, checkpointSteps: _steps, recomputeLayers: _memory, ...numeric } = trainOptions;
      const { lanes: _lanes, ...facts } = numeric;
      const { tokenizer: _tokenizer, ...settings } = task.settings;
      const policy = { compute: dtype };
      const { batchSize, maxEvalExamples } = trainOptions;
      const evaluation =
        held &&
        heldOutPairs(objective, held.pairs.slice(0, maxEvalExamples ?? undefined), {
          ...{ backend, policy, batchSize, packed, module },
        });
      const { weights: learned, ...run } = await train({
        backend,
        model: module,
        weights,
        objective,
        examples: { numExamples: data.pairs.length, example: (_seed, _epoch, index) => data.pairs[index]! },
        options: trainOptions,
        policy,
        ...(treatment === undefined ? {} : { treatment }),
        evaluation,
        outputDir,
        fingerprint: fingerprintOf({
          config,
          weights: weightsHash(weights),
          settings,
          tokenizer: tokenizer.hash,
          data: pairsHash(data),
          options: facts,
        }),
        listener,
        signal,
      });
      const model: TextModel<PretrainingModel> = { ...opened.state, weights: learned, tokenizer };
      const { evaluations } = run;
      const isOver = run.reason !== "interrupted";
      const last = isOver ? evaluations.find(({ step }) => step === run.selectedStep) : undefined;
      const isWritten = isOver && held !== undefined && writing !== undefined;
      return {
        ...model,
        run,
        evaluations,
        evaluation: last && writingFigures(last),
        written: isWritten
          ? await evaluateWriting(model, held, { ...writing, engine: backend, dtype, signal })
          : undefined,
        save: (folder) => saveModel(folder, model),
      };
    },
    dtype,
  );
}
