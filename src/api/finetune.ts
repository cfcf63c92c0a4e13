import { createHash } from "node:crypto";
import { ConfigError, type ConfigIssue } from "../base/errors.ts";
import type { TableSource } from "../data/table.ts";
import type { ClassificationModel } from "../models/model.ts";
import type { ClassificationResult } from "../tasks/classification-evaluation.ts";
import { isRanked, type RankingData } from "../tasks/ranking-data.ts";
import { TextClassifierProgram } from "../tasks/text-classifier-program.ts";
import type { LabelledText, TextTask, TextTaskData } from "../tasks/text-task.ts";
import type { TrainListener } from "../train/event.ts";
import { textOfFramed } from "../transfer/language-text.ts";
import { openCrossView, runWithViews, viewableText } from "./cross-view.ts";
import { crossViewIssues } from "./cross-view-option.ts";
import { type FinetuneOptions, resolveFinetune } from "./finetune-option.ts";
import { saveClassifier } from "./load.ts";
import type { TextClassifier } from "./model.ts";
import type { HeldOut, TaskOutcome } from "./run-task.ts";
import { type FinetuneStart, fitIssues, openStart, startClassifier } from "./start-classifier.ts";
import { strategyIssues } from "./strategy-issues.ts";

export type { FinetuneOptions } from "./finetune-option.ts";

/** A classifier and how it was made. */
export interface Finetuned<R = ClassificationResult> extends TextClassifier, TaskOutcome<R> {
  /** Writes a Hugging Face model directory. */
  save(folder: string): Promise<void>;
}

/** Names data by what is in it. */
export function dataHash({ examples, labels }: TextTaskData): string {
  const hash = createHash("sha256").update(JSON.stringify(labels));
  for (const { tokens, secondStart, label } of examples) {
    hash.update(tokens).update(Float64Array.of(tokens.length, secondStart, label));
  }
  return hash.digest("hex");
}

/** Says that all examples are alike, of which little can be learnt or measured; nothing where they differ. */
function likenessOf({ examples, labels }: TextTaskData): string {
  const first = examples[0]?.label;
  if (first === undefined || examples.some(({ label }) => label !== first)) return "";
  return labels.length === 1 ? `, all of them ${first}` : `, all of class ${JSON.stringify(labels[first])}`;
}

/** Candidates and their queries: nothing is learnt from those without a right one and another, and their figures say little. */
function rankedText({ examples, numQueries, training }: RankingData): string {
  const numChoices = new Set(training.map(({ query }) => query)).size;
  return `${examples.length} candidates of ${numQueries} queries; with a right one and others: ${numChoices}`;
}

/** Tells what a table holds. */
export function tell(listener: TrainListener | undefined, data: TextTaskData, maxSeqLength: number): void {
  const { name, examples, labels, numTruncated, numSkipped } = data;
  const cut = numTruncated === 0 ? "" : `, ${numTruncated} cut to ${maxSeqLength} tokens`;
  const skipped = numSkipped === 0 ? "" : `, ${numSkipped} rows skipped for their label`;
  const classes = labels.length === 1 ? "numbers" : `${labels.length} classes`;
  const what = isRanked(data) ? rankedText(data) : `${examples.length} examples, ${classes}${likenessOf(data)}`;
  const message = `${name}: ${what}${cut}${skipped}`;
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
  const { dtype = "f32", listener, fromScratch = false } = options;
  const { tokenizer, ...settings } = task.settings;
  const { maxSeqLength, packed } = settings;
  const issues: ConfigIssue[] = [];
  const resolved = resolveFinetune(options, issues, task.figures, { byStrategy: true, crossViews: true });
  const { train: trainOptions } = resolved;
  const seed = trainOptions?.seed ?? 0;
  const opened = await openStart(start, seed);
  issues.push(...fitIssues(opened, task.settings));
  const source = {
    ...{ name: opened.name, language: opened.language, tokenizer, maxSeqLength, packed },
    textsOf: (example: LabelledText) => [textOfFramed(example, tokenizer)],
  };
  const { family, config } = opened.state;
  const { crossView } = resolved;
  const structure = () => ({ family, config, module: family.classification(config, 2) });
  issues.push(...strategyIssues(structure, source, resolved));
  if (crossView !== undefined) issues.push(...crossViewIssues(crossView, structure().module.encoder, ["texts"]));
  if (task.name === "textRanking") {
    const message = "rankings are learnt by finetuneTogether, whose head for them gives scores in (0, 1). Use that.";
    issues.push({ path: "task", message, code: "CONFIG_UNSUPPORTED" });
  }
  if (issues.length > 0 || trainOptions === undefined) throw new ConfigError("finetune", issues);
  for (const message of opened.notices) listener?.({ kind: "notice", message });

  const { framing } = family;
  const data = await task.read(tables.train, { framing });
  tell(listener, data, maxSeqLength);
  const { labels, examples, facts } = data;
  const held = tables.eval === undefined ? undefined : await task.read(tables.eval, { labels, framing });
  if (held !== undefined) tell(listener, held, maxSeqLength);
  const state = startClassifier(opened, labels, { seed, fromScratch, adapter: resolved.adapter });
  const { batchSize, maxEvalExamples } = trainOptions;

  const open = (all: D): HeldOut<R>["open"] => {
    const some = { ...all, examples: all.examples.slice(0, maxEvalExamples ?? undefined) };
    return (place) => {
      const program = new TextClassifierProgram({
        ...place,
        ...{ model: state.module, batchSize, maxSeqLength, packed },
        ...{ policy: { compute: dtype }, padId: tokenizer.special.pad },
      });
      return {
        run: async (part) => {
          const scored = part === "all" ? all : some;
          return task.result(scored, await program.logits(scored.examples), facts);
        },
        dispose: () => program.dispose(),
      };
    };
  };
  const unlabelled =
    crossView &&
    (await openCrossView(crossView, {
      tasks: [viewableText("", (model: ClassificationModel) => model, labels.length, settings.textColumns.length)],
      ...{ network: state.module.encoder, tokenizer, framing, maxSeqLength, packed, listener },
    }));
  const outcome = await runWithViews(
    {
      ...{ objective: task, state, examples, source, resolved: { ...resolved, train: trainOptions } },
      held: held && {
        open: open(held),
        isWhole: (maxEvalExamples ?? held.examples.length) >= held.examples.length,
        figures: task.trainingFigures,
      },
      identity: { settings, tokenizer: tokenizer.hash, data: dataHash(data) },
    },
    unlabelled,
    options,
  );
  const classifier: TextClassifier = {
    ...{ ...state, weights: outcome.weights, tokenizer, labels, maxSeqLength },
    ...(facts === undefined ? {} : { preserved: facts }),
  };
  return { ...classifier, ...outcome, save: (folder) => saveClassifier(folder, classifier) };
}
