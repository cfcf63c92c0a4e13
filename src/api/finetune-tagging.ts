import { ConfigError, type ConfigIssue } from "../base/errors.ts";
import type { TaggedSource } from "../data/tagged-sentence.ts";
import type { TokenModel } from "../models/model.ts";
import type { TaggingWindow } from "../tasks/tagging-data.ts";
import { type TaggingResult, taggingFigureNames } from "../tasks/tagging-evaluation.ts";
import type { TokenClassification } from "../tasks/token-classification.ts";
import { textOfFramed } from "../transfer/language-text.ts";
import { openCrossView, runWithViews, viewableWords } from "./cross-view.ts";
import { crossViewIssues } from "./cross-view-option.ts";
import { type FinetuneOptions, resolveFinetune } from "./finetune-option.ts";
import { saveClassifier } from "./load.ts";
import type { TaskOutcome } from "./run-task.ts";
import { type FinetuneStart, lengthIssues, openStart, startModel, vocabularyIssues } from "./start-classifier.ts";
import { strategyIssues } from "./strategy-issues.ts";
import { constraintFacts, type Tagger } from "./tagger.ts";
import { chainRate, heldTagging, requireScheme, taggingHash, tellTagging } from "./tagging-run.ts";

/** A tagger and how it was made. */
export interface FinetunedTagger extends Tagger, TaskOutcome<TaggingResult> {
  /** Writes a Hugging Face model directory. */
  save(folder: string): Promise<void>;
}

/**
 * Fine-tunes a pre-trained model to tag the words of sentences. A run with an `outputDir` that holds its checkpoint goes on
 * from there.
 * @param start a model, or its folder
 * @param data `train` and, for held-out figures, `eval`
 * @throws {ConfigError} when model and task do not fit, or options are wrong: all problems together; HEAD_MISSING where the
 * family has no head over every token
 * @throws {DataError} for lines that cannot be used, naming file and line
 * @throws {DivergenceError} NOT_FINITE; the last checkpoint stays
 * @source Devlin et al. 2019 §5.3, arXiv:1810.04805
 */
export async function finetuneTagging(
  start: FinetuneStart,
  task: TokenClassification,
  data: { readonly train: TaggedSource; readonly eval?: TaggedSource | undefined },
  options: FinetuneOptions = {},
): Promise<FinetunedTagger> {
  const { dtype = "f32", listener, fromScratch = false } = options;
  const { tokenizer, ...settings } = task.settings;
  const { maxSeqLength, packed, crf } = settings;
  const issues: ConfigIssue[] = [];
  const resolved = resolveFinetune(options, issues, taggingFigureNames, { byStrategy: true, crossViews: true });
  const { train: trainOptions } = resolved;
  const seed = trainOptions?.seed ?? 0;
  const opened = await openStart(start, seed, "tokenClassification");
  const { family, config } = opened.state;
  issues.push(...vocabularyIssues(opened, tokenizer), ...lengthIssues(opened, maxSeqLength));
  const source = {
    ...{ name: opened.name, language: opened.language, tokenizer, maxSeqLength, packed },
    textsOf: (window: TaggingWindow) => [textOfFramed(window, tokenizer)],
  };
  // A family without such a head says so before any data are read.
  const structure = () => ({ family, config, module: family.tokenClassification(config, 2, { crf }) });
  issues.push(...strategyIssues(structure, source, resolved));
  const { crossView } = resolved;
  if (crossView !== undefined && issues.length === 0) {
    issues.push(...crossViewIssues(crossView, structure().module.encoder, ["words"]));
  }
  if (issues.length > 0 || trainOptions === undefined) throw new ConfigError("finetune", issues);
  for (const message of opened.notices) listener?.({ kind: "notice", message });

  const { framing } = family;
  const learnt = await task.read(data.train, { framing });
  requireScheme(task.settings, learnt);
  tellTagging(listener, learnt);
  const { labels, windows } = learnt;
  const held = data.eval === undefined ? undefined : await task.read(data.eval, { labels, framing });
  if (held !== undefined) tellTagging(listener, held);
  const module = family.tokenClassification(config, labels.length, { crf });
  const keepsHead = opened.labels?.join("\n") === labels.join("\n");
  const state = startModel(opened, module, { seed, fromScratch, keepsHead, adapter: resolved.adapter });
  const preserved = settings.constrained ? constraintFacts(settings.scheme) : {};
  const { batchSize, maxEvalExamples } = trainOptions;
  const measured = { settings: task.settings, labels, batchSize, maxEvalExamples, dtype };
  const unlabelled =
    crossView &&
    (await openCrossView(crossView, {
      tasks: [viewableWords("", (model: TokenModel) => model, labels.length)],
      ...{ network: state.module.encoder, tokenizer, framing, maxSeqLength, packed, listener },
      overlap: settings.overlap,
    }));
  const outcome = await runWithViews(
    {
      ...{ objective: task, state, examples: windows },
      held: held && heldTagging(held, { ...measured, module: state.module }),
      identity: { settings, tokenizer: tokenizer.hash, data: taggingHash(learnt) },
      ...{ source, ...(crf ? { rateOf: chainRate } : {}) },
      resolved: { ...resolved, train: trainOptions },
    },
    unlabelled,
    options,
  );
  const tagger: Tagger = {
    ...{ ...state, weights: outcome.weights, tokenizer, labels, maxSeqLength },
    ...(settings.constrained ? { preserved } : {}),
  };
  return { ...tagger, ...outcome, save: (folder) => saveClassifier(folder, tagger) };
}
