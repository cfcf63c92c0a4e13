import { createHash } from "node:crypto";
import { resolve } from "node:path";
import { ConfigError, type ConfigIssue } from "../base/errors.ts";
import type { TableSource } from "../data/table.ts";
import { withAdapter } from "../models/adapter/start.ts";
import { familyOf } from "../models/families.ts";
import type { ModelState } from "../models/family.ts";
import type { PretrainingModel } from "../models/model.ts";
import { initialWeights } from "../nn/weights.ts";
import { withEngine } from "../runtime.ts";
import type { SequenceToSequence } from "../tasks/sequence-to-sequence.ts";
import type { TextPair, TextPairData } from "../tasks/sequence-to-sequence-data.ts";
import { hasTokenizer, loadTokenizer } from "../tokenizers/load.ts";
import type { Tokenizer } from "../tokenizers/tokenizer.ts";
import type { EvaluationEvent, TrainListener } from "../train/event.ts";
import type { TrainResult } from "../train/trainer.ts";
import type { LanguageText } from "../transfer/language-text.ts";
import { isPlain } from "../transfer/resolve-strategy.ts";
import { type EvaluateWritingOptions, evaluateWriting, type WritingEvaluation } from "./evaluate-writing.ts";
import { explainIfAsked } from "./explain-transfer.ts";
import { type FinetuneOptions, resolveFinetune } from "./finetune-option.ts";
import { decidingOptions, fingerprintOf, weightsHash } from "./fingerprint.ts";
import { saveModel, type TextModel } from "./model.ts";
import { measureFinal } from "./run-task.ts";
import { requireStart, vocabularyIssues } from "./start-classifier.ts";
import { strategyIssues } from "./strategy-issues.ts";
import { type LanguageWeights, strategyFacts, trainByStrategy } from "./transfer-run.ts";
import { heldOutPairs, type WritingFigures, writingFigures } from "./writing-loss.ts";

export interface WriterFinetuneOptions extends Omit<FinetuneOptions, "selectionFigure"> {
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
  readonly language: LanguageWeights;
}

async function openWriter(start: WriterStart, seed: number): Promise<OpenedWriter> {
  if (typeof start !== "string") {
    const { tokenizer } = start as { readonly tokenizer?: Tokenizer };
    return { state: start, tokenizer, notices: [], language: { weights: start.weights, newParameters: [] } };
  }
  const family = await familyOf(start);
  const tokenizer = hasTokenizer(start) ? await loadTokenizer(start) : undefined;
  const { labels: _labels, notices, newParameters, ...state } = await family.loadPretraining(start, seed);
  const fresh = newParameters.length === 0 ? [] : [`${start} lacks ${newParameters.join(", ")}: new from the seed`];
  return { state, tokenizer, notices: [...notices, ...fresh], language: { weights: state.weights, newParameters } };
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
  const resolved = resolveFinetune(others, issues, undefined, { byStrategy: true });
  const { train: trainOptions } = resolved;
  const seed = trainOptions?.seed ?? 0;
  const opened = await openWriter(start, seed);
  const { config } = opened.state;
  issues.push(...vocabularyIssues(opened, tokenizer), ...task.modelIssues(opened.state.module));
  const source = {
    ...{ name: typeof start === "string" ? start : "model", language: opened.language, tokenizer, packed },
    maxSeqLength: Math.max(task.settings.maxSourceLength, task.settings.maxTargetLength),
    textsOf: ({ source: read, target }: TextPair): readonly LanguageText[] => [[read], [target]],
  };
  issues.push(...strategyIssues(() => opened.state, source, resolved));
  if (issues.length > 0 || trainOptions === undefined) throw new ConfigError("finetune", issues);
  for (const message of opened.notices) listener?.({ kind: "notice", message });

  const data = await task.read(tables.train);
  tell(listener, data);
  const held = tables.eval === undefined ? undefined : await task.read(tables.eval);
  if (held !== undefined) tell(listener, held);
  const { adapter } = resolved;
  const folder = typeof start === "string" ? resolve(start) : undefined;
  requireStart(opened.state, folder, adapter);
  const { family } = opened.state;
  // An adapter is put into a network of its own: the start's may be the caller's.
  const module = adapter === undefined ? opened.state.module : family.rebuild(opened.state.module, config);
  const fresh = fromScratch ? initialWeights(module, seed) : opened.state.weights;
  const state = withAdapter({ ...opened.state, module, weights: fresh }, adapter, { seed, folder });
  const { weights } = state;
  const objective = task.objectiveFor(module);
  const learning = {
    ...{ objective, source, state },
    examples: {
      numExamples: data.pairs.length,
      example: (_s: number, _e: number, index: number) => data.pairs[index]!,
    },
    resolved: { ...resolved, train: trainOptions },
  };
  explainIfAsked(learning, others);
  const { strategy } = resolved;
  const transfer = isPlain(strategy) && strategy.freeze === "none" ? {} : strategyFacts(strategy);

  return withEngine(
    engine,
    async (backend) => {
      const { tokenizer: _tokenizer, ...settings } = task.settings;
      const policy = { compute: dtype };
      const { batchSize, maxEvalExamples } = trainOptions;
      const evaluation =
        held &&
        heldOutPairs(objective, held.pairs.slice(0, maxEvalExamples ?? undefined), {
          ...{ backend, policy, batchSize, packed, module },
        });
      const { weights: learned, ...run } = await trainByStrategy(learning, {
        backend,
        policy,
        evaluation,
        outputDir,
        fingerprint: fingerprintOf({
          config,
          weights: weightsHash(weights),
          settings,
          tokenizer: tokenizer.hash,
          data: pairsHash(data),
          ...transfer,
          adapter,
          options: decidingOptions(trainOptions),
        }),
        listener,
        signal,
      });
      const model: TextModel<PretrainingModel> = { ...state, weights: learned, tokenizer };
      const { evaluations } = run;
      const isOver = run.reason !== "interrupted";
      // A run that went on from a checkpoint may not have measured the weights that it selected.
      const known = evaluations.find(({ step }) => step === run.selectedStep);
      const last =
        isOver && evaluation !== undefined
          ? (known ?? (await measureFinal(backend, module, learned, ({ store }) => evaluation(store))))
          : undefined;
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
