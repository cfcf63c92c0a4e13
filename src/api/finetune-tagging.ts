import { createHash } from "node:crypto";
import { ConfigError, type ConfigIssue } from "../base/errors.ts";
import type { TaggedSource } from "../data/tagged-sentence.ts";
import { familyOf } from "../models/families.ts";
import type { ModelState } from "../models/family.ts";
import type { Encoder } from "../models/model.ts";
import type { Module } from "../nn/module.ts";
import { showLabels } from "../tasks/label-name.ts";
import type { TaggingData, TaggingWindow } from "../tasks/tagging-data.ts";
import { type TaggingResult, taggingFigureNames, taggingFigures, taggingResult } from "../tasks/tagging-evaluation.ts";
import type { TokenClassification, TokenClassificationSettings } from "../tasks/token-classification.ts";
import { TokenClassifierProgram } from "../tasks/token-classifier-program.ts";
import { hasTokenizer, loadTokenizer } from "../tokenizers/load.ts";
import type { TrainListener } from "../train/event.ts";
import { textOfFramed } from "../transfer/language-text.ts";
import { type FinetuneOptions, resolveFinetune } from "./finetune-option.ts";
import { saveClassifier } from "./load.ts";
import { type HeldOut, runTask, type TaskOutcome } from "./run-task.ts";
import {
  type FinetuneStart,
  lengthIssues,
  type Pretraining,
  startModel,
  vocabularyIssues,
} from "./start-classifier.ts";
import { strategyIssues } from "./strategy-issues.ts";
import { constraintFacts, type Tagger, tagDecoder } from "./tagger.ts";
import { languageInMemory } from "./transfer-run.ts";

/** A tagger and how it was made. */
export interface FinetunedTagger extends Tagger, TaskOutcome<TaggingResult> {
  /** Writes a Hugging Face model directory. */
  save(folder: string): Promise<void>;
}

async function openStart(start: FinetuneStart, seed: number): Promise<Pretraining> {
  if (typeof start !== "string") {
    const { tokenizer, labels } = start as ModelState<Module & { readonly encoder: Encoder }> & Partial<Tagger>;
    const isTagger = "tokenLogits" in start.module;
    const language = languageInMemory(start);
    const found = { tokenizer, labels: isTagger ? labels : undefined, notices: [], language };
    return { name: "model", isInMemory: true, state: start, ...found };
  }
  const family = await familyOf(start);
  const tokenizer = hasTokenizer(start) ? await loadTokenizer(start) : undefined;
  const isTagger = (await family.purposeOf(start)) === "tokenClassification";
  const load = isTagger ? family.loadTokenClassification(start, seed) : family.loadPretraining(start, seed);
  const { labels, notices, ...state } = await load;
  const language = isTagger ? undefined : state;
  return { name: start, state, tokenizer, labels: isTagger ? labels : undefined, notices, language };
}

function tell(listener: TrainListener | undefined, data: TaggingData): void {
  const { name, sentences, labels, numDivided, numConverted, unknownTags } = data;
  const say = (message: string) => listener?.({ kind: "notice", message: `${name}: ${message}` });
  const parts = numDivided === 0 ? "" : `, ${numDivided} in several windows`;
  const converted = numConverted === 0 ? "" : `, tags of ${numConverted} converted or mended`;
  say(`${sentences.length} sentences, ${labels.length} tags${parts}${converted}`);
  if (unknownTags.length > 0) {
    say(`${showLabels(unknownTags)} are not among the training data's tags: words with them count as wrong`);
  }
}

function dataHash({ windows, labels }: TaggingData): string {
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

/** How much faster parameters learn where there are scores of neighbouring tags. */
const chainRate = (name: string): number => (name.startsWith("crf.") ? CHAIN_RATE : 1);

/** What the data say against the task. */
function requireScheme({ constrained }: TokenClassificationSettings, { marksEntities, name }: TaggingData): void {
  if (!constrained || marksEntities) return;
  const message = `is for tags that mark entities; those of ${name} do not. Leave it out.`;
  throw new ConfigError("finetune", [{ path: "task.constrained", message, code: "CONFIG_AMBIGUOUS" }]);
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
  const resolved = resolveFinetune(options, issues, taggingFigureNames, { byStrategy: true });
  const { train: trainOptions } = resolved;
  const seed = trainOptions?.seed ?? 0;
  const opened = await openStart(start, seed);
  const { family, config } = opened.state;
  issues.push(...vocabularyIssues(opened, tokenizer), ...lengthIssues(opened, maxSeqLength));
  const source = {
    ...{ name: opened.name, language: opened.language, tokenizer, maxSeqLength, packed },
    textsOf: (window: TaggingWindow) => [textOfFramed(window, tokenizer)],
  };
  // A family without such a head says so before any data are read.
  const structure = () => ({ family, config, module: family.tokenClassification(config, 2, { crf }) });
  issues.push(...strategyIssues(structure, source, resolved));
  if (issues.length > 0 || trainOptions === undefined) throw new ConfigError("finetune", issues);
  for (const message of opened.notices) listener?.({ kind: "notice", message });

  const { framing } = family;
  const learnt = await task.read(data.train, { framing });
  requireScheme(task.settings, learnt);
  tell(listener, learnt);
  const { labels, windows } = learnt;
  const held = data.eval === undefined ? undefined : await task.read(data.eval, { labels, framing });
  if (held !== undefined) tell(listener, held);
  const module = family.tokenClassification(config, labels.length, { crf });
  const keepsHead = opened.labels?.join("\n") === labels.join("\n");
  const state = startModel(opened, module, { seed, fromScratch, keepsHead, adapter: resolved.adapter });
  const preserved = settings.constrained ? constraintFacts(settings.scheme) : {};
  const { batchSize, maxEvalExamples } = trainOptions;

  const open = (all: TaggingData): HeldOut<TaggingResult>["open"] => {
    const some = firstSentences(all, maxEvalExamples);
    return ({ backend, store }) => {
      const program = new TokenClassifierProgram({
        ...{ backend, store, model: state.module, batchSize, maxSeqLength, packed },
        ...{ policy: { compute: dtype }, padId: tokenizer.special.pad },
      });
      const weightOf = async (name: string) => (await store.buffer("value", name).read()) as Float32Array;
      return {
        run: async (part) => {
          const scored = part === "all" ? all : some;
          const decoder = await tagDecoder({ module: state.module, labels, preserved }, weightOf);
          return taggingResult(scored, await program.logits(scored.windows), decoder);
        },
        dispose: () => program.dispose(),
      };
    };
  };
  const outcome = await runTask(
    {
      ...{ objective: task, state, examples: windows },
      held: held && {
        open: open(held),
        isWhole: (maxEvalExamples ?? held.sentences.length) >= held.sentences.length,
        figures: taggingFigures,
      },
      identity: { settings, tokenizer: tokenizer.hash, data: dataHash(learnt) },
      ...{ source, ...(crf ? { rateOf: chainRate } : {}) },
      resolved: { ...resolved, train: trainOptions },
    },
    options,
  );
  const tagger: Tagger = {
    ...{ ...state, weights: outcome.weights, tokenizer, labels, maxSeqLength },
    ...(settings.constrained ? { preserved } : {}),
  };
  return { ...tagger, ...outcome, save: (folder) => saveClassifier(folder, tagger) };
}
