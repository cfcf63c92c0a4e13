import { createHash } from "node:crypto";
import type { Backend } from "../backend/backend.ts";
import { ConfigError, type ConfigIssue } from "../base/errors.ts";
import type { TableSource } from "../data/table.ts";
import { withEngine } from "../runtime.ts";
import type { ClassificationResult } from "../tasks/classification-evaluation.ts";
import { TextClassifierProgram } from "../tasks/text-classifier-program.ts";
import type { TextTask, TextTaskData } from "../tasks/text-task.ts";
import type { EvaluationEvent, TrainListener } from "../train/event.ts";
import { ModelStore } from "../train/model-store.ts";
import { type TrainResult, train } from "../train/trainer.ts";
import { type FinetuneOptions, resolveFinetune } from "./finetune-option.ts";
import { fingerprintOf, weightsHash } from "./fingerprint.ts";
import { saveClassifier } from "./load.ts";
import type { TextClassifier } from "./model.ts";
import { type FinetuneStart, fitIssues, openStart, startClassifier } from "./start-classifier.ts";

export type { FinetuneOptions } from "./finetune-option.ts";

/** A classifier and how it was made. */
export interface Finetuned<R = ClassificationResult> extends TextClassifier {
  readonly run: Omit<TrainResult, "weights">;
  readonly evaluations: readonly EvaluationEvent[];
  /** Figures of these weights on the held-out table; undefined without one, or when the run was interrupted. */
  readonly evaluation: R | undefined;
  /** Writes a Hugging Face model directory. */
  save(folder: string): Promise<void>;
}

/** Names data by what is in it. */
function dataHash({ examples, labels }: TextTaskData): string {
  const hash = createHash("sha256").update(JSON.stringify(labels));
  for (const { tokens, secondStart, label } of examples) {
    hash.update(tokens).update(Float64Array.of(tokens.length, secondStart, label));
  }
  return hash.digest("hex");
}

function tell(listener: TrainListener | undefined, data: TextTaskData, maxSeqLength: number): void {
  const { name, examples, labels, numTruncated, numSkipped } = data;
  const cut = numTruncated === 0 ? "" : `, ${numTruncated} cut to ${maxSeqLength} tokens`;
  const skipped = numSkipped === 0 ? "" : `, ${numSkipped} rows skipped for their label`;
  const classes = labels.length === 1 ? "numbers" : `${labels.length} classes`;
  const message = `${name}: ${examples.length} examples, ${classes}${cut}${skipped}`;
  listener?.({ kind: "notice", message });
}

/**
 * Fine-tunes a pre-trained model to give texts classes, or numbers.
 *
 * The encoder's weights are taken from `start`; the head is new from the seed, unless `start` is a classifier of the
 * same classes. A run with an `outputDir` that holds its checkpoint goes on from there.
 * @param start a model, or its folder
 * @param tables `train` and, for held-out figures, `eval`
 * @throws {ConfigError} when model and task do not fit, or options are wrong: all problems together
 * @throws {DataError} for rows that cannot be used, naming file and line
 * @throws {DivergenceError} NOT_FINITE; the last checkpoint stays
 * @source Devlin et al. 2019 §4.1, arXiv:1810.04805
 */
export async function finetune<D extends TextTaskData, R extends { readonly loss: number }>(
  start: FinetuneStart,
  task: TextTask<D, R>,
  tables: { readonly train: TableSource; readonly eval?: TableSource | undefined },
  options: FinetuneOptions = {},
): Promise<Finetuned<R>> {
  const { outputDir, engine, dtype = "f32", listener, signal, fromScratch = false } = options;
  const { tokenizer, maxSeqLength } = task.settings;
  const issues: ConfigIssue[] = [];
  const { train: trainOptions, freeze, selectionFigure, treatment } = resolveFinetune(options, issues, task.figures);
  const seed = trainOptions?.seed ?? 0;
  const opened = await openStart(start, seed);
  issues.push(...fitIssues(opened, task.settings));
  if (issues.length > 0 || trainOptions === undefined) throw new ConfigError("finetune", issues);
  for (const message of opened.notices) listener?.({ kind: "notice", message });

  const { framing } = opened.state.family;
  const data = await task.read(tables.train, { framing });
  tell(listener, data, maxSeqLength);
  const { labels, examples, facts: taskFacts } = data;
  const held = tables.eval === undefined ? undefined : await task.read(tables.eval, { labels, framing });
  if (held !== undefined) tell(listener, held, maxSeqLength);
  const state = startClassifier(opened, labels, { seed, fromScratch });

  return withEngine(
    engine,
    async (backend) => {
      const { batchSize, maxEvalExamples } = trainOptions;
      const programOf = (store: ModelStore) =>
        new TextClassifierProgram({
          backend,
          store,
          model: state.module,
          batchSize,
          maxSeqLength,
          policy: { compute: dtype },
          padId: tokenizer.special.pad,
          packed: task.settings.packed,
        });
      const results: R[] = [];
      const scored = held && { ...held, examples: held.examples.slice(0, maxEvalExamples ?? undefined) };
      const { keepCheckpoints: _keep, checkpointSteps: _steps, recomputeLayers: _memory, ...numeric } = trainOptions;
      const { lanes: _lanes, ...facts } = numeric;
      const { tokenizer: _tokenizer, ...settings } = task.settings;
      const { weights, ...run } = await train({
        backend,
        model: state.module,
        weights: state.weights,
        objective: task,
        examples: { numExamples: examples.length, example: (_seed, _epoch, index) => examples[index]! },
        options: trainOptions,
        policy: { compute: dtype },
        ...(treatment === undefined ? {} : { treatment }),
        evaluation:
          scored &&
          ((store) => {
            const program = programOf(store);
            return {
              run: async () => {
                const result = task.result(scored, await program.logits(scored.examples), taskFacts);
                results.push(result);
                return task.trainingFigures(result);
              },
              dispose: () => program.dispose(),
            };
          }),
        selection: { figure: selectionFigure, higherIsBetter: !["loss", "meanSquaredError"].includes(selectionFigure) },
        outputDir,
        fingerprint: fingerprintOf({
          config: state.config,
          weights: weightsHash(state.weights),
          settings,
          tokenizer: tokenizer.hash,
          data: dataHash(data),
          freeze,
          selectionFigure,
          options: facts,
        }),
        listener,
        signal,
      });
      const classifier: TextClassifier = {
        ...state,
        weights,
        tokenizer,
        labels,
        maxSeqLength,
        ...(taskFacts === undefined ? {} : { preserved: taskFacts }),
      };
      const { evaluations } = run;
      const isWhole = scored?.examples.length === held?.examples.length;
      const known = isWhole ? results[evaluations.findIndex(({ step }) => step === run.selectedStep)] : undefined;
      const isOver = run.reason !== "interrupted";
      const evaluation =
        known ??
        (held &&
          (isOver ? task.result(held, await scoresOf(backend, classifier, held, programOf), taskFacts) : undefined));
      return { ...classifier, run, evaluations, evaluation, save: (folder) => saveClassifier(folder, classifier) };
    },
    dtype,
  );
}

/** Scores that the final weights give to all held-out examples. */
async function scoresOf(
  backend: Backend,
  { module, weights }: TextClassifier,
  data: TextTaskData,
  programOf: (store: ModelStore) => TextClassifierProgram,
): Promise<Float32Array[]> {
  const store = new ModelStore(backend, module, ["value"]);
  store.write("value", weights);
  const program = programOf(store);
  try {
    return await program.logits(data.examples);
  } finally {
    await program.dispose();
    store.dispose();
  }
}
