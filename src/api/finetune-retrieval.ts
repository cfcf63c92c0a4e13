import { createHash } from "node:crypto";
import { ConfigError, type ConfigIssue, DataError } from "../base/errors.ts";
import type { TableSource } from "../data/table.ts";
import { isCarried, type PretrainingModel } from "../models/model.ts";
import { adoptWeights, initialWeights } from "../nn/weights.ts";
import type { EncodedText } from "../tasks/encode-text.ts";
import { type Retrieval, type RetrievalLoss, SiameseNetwork, unusedBySearch } from "../tasks/retrieval.ts";
import type { RetrievalData, RetrievalExample } from "../tasks/retrieval-data.ts";
import { type RetrievalResult, retrievalFigures } from "../tasks/retrieval-evaluation.ts";
import type { Tokenizer } from "../tokenizers/tokenizer.ts";
import type { TrainListener } from "../train/event.ts";
import { type LanguageText, textOfFramed } from "../transfer/language-text.ts";
import { type FinetuneOptions, resolveFinetune } from "./finetune-option.ts";
import { heldOutPairs } from "./retrieval-measurement.ts";
import { type RetrievalModel, saveRetrievalModel } from "./retrieval-model.ts";
import { runTask, type TaskOutcome } from "./run-task.ts";
import {
  type FinetuneStart,
  lengthIssues,
  openStart,
  type Pretraining,
  startModel,
  vocabularyIssues,
} from "./start-classifier.ts";
import { strategyIssues } from "./strategy-issues.ts";

/** Tables of pairs, and what held-out questions are searched for among. */
export interface RetrievalTables {
  readonly train: TableSource;
  readonly eval?: TableSource | undefined;
  /** More passages that held-out questions are searched for among; those of `eval` alone when left out. */
  readonly corpus?: TableSource | undefined;
}

/** A model for search, and how it was made. Its figures are those of these weights on the held-out pairs. */
export type FinetunedRetriever = RetrievalModel &
  TaskOutcome<RetrievalResult> & {
    /** Writes a model directory that `embed` opens, and sentence-transformers. */
    save(folder: string): Promise<void>;
  };

function dataHash({ examples, labels }: RetrievalData): string {
  const hash = createHash("sha256").update(JSON.stringify(labels));
  for (const { texts, question, groups, label } of examples) {
    for (const { tokens } of texts) hash.update(tokens).update(Int32Array.of(tokens.length));
    hash.update(Int32Array.from([question, ...groups])).update(Float64Array.of(label));
  }
  return hash.digest("hex");
}

function tell(listener: TrainListener | undefined, data: RetrievalData, loss: RetrievalLoss): void {
  const { name, examples, answers, passages, numNegatives, numTruncated } = data;
  const negatives = numNegatives === 0 ? "" : `, ${numNegatives} ${numNegatives === 1 ? "negative" : "negatives"} each`;
  const cut = numTruncated === 0 ? "" : `, ${numTruncated} texts cut`;
  const kind = loss === "inBatchNegatives" ? ` of ${answers.length} questions and ${passages.length} passages` : "";
  listener?.({ kind: "notice", message: `${name}: ${examples.length} pairs${kind}${negatives}${cut}` });
}

/** What stands between model, task and options. */
function issuesOf(opened: Pretraining, { settings }: Retrieval, options: FinetuneOptions): ConfigIssue[] {
  const { tokenizer, maxSeqLength, loss } = settings;
  const issues = [...vocabularyIssues(opened, tokenizer), ...lengthIssues(opened, maxSeqLength)];
  if ((options.lanes ?? 1) !== 1) {
    const message = `must be 1: the pairs of a batch belong together; got ${JSON.stringify(options.lanes)}.`;
    issues.push({ path: "train.lanes", message, code: "LANES_UNSUPPORTED" });
  }
  const { batchSize = 32, gradientAccumulationSteps: parts = 1 } = options;
  if (loss === "inBatchNegatives" && Math.floor(batchSize / parts) < 2) {
    const message = `must leave two pairs at least to each part of a step; got ${batchSize} in ${parts} parts.`;
    issues.push({ path: "train.batchSize", message, code: "CONFIG_RANGE" });
  }
  return issues;
}

/** What the encoder alone cannot do: with most losses there is no head beside it. */
function headIssues({ settings: { loss } }: Retrieval, { freeze }: FinetuneOptions): ConfigIssue[] {
  if (freeze !== "encoder" || loss === "classification") return [];
  const message = `must be none: the loss ${loss} has nothing but the encoder to learn with.`;
  return [{ path: "transfer.freeze", message, code: "CONFIG_AMBIGUOUS" }];
}

/** Refuses pairs from which nothing can be learnt: each question is told apart from passages of other groups. */
function requireRivals({ name, examples, answers }: RetrievalData): void {
  const { size } = new Set(examples.flatMap(({ groups }) => groups));
  if (examples.some(({ question }) => answers[question]!.size < size)) return;
  throw new DataError(
    `no question has a passage that does not answer it: all ${examples.length} pairs are of ${size === 1 ? "one passage or group" : "one question"}. Check the columns of passages and groups, or add other pairs.`,
    { code: "RIVALS_NONE", path: name },
  );
}

/** Texts as language: the passage, the question, passages that are none of it. The same text is the same object. */
function languageTexts(tokenizer: Tokenizer): (example: RetrievalExample) => readonly LanguageText[] {
  const known = new WeakMap<EncodedText, LanguageText>();
  const textOf = (text: EncodedText): LanguageText => {
    const found = known.get(text) ?? textOfFramed(text, tokenizer);
    known.set(text, found);
    return found;
  };
  return ({ texts: [question, passage, ...negatives] }) => [passage!, question!, ...negatives].map(textOf);
}

/**
 * Fine-tunes a pre-trained model so that its vectors find the texts that answer a question. A run with an `outputDir` that
 * holds its checkpoint goes on from there. All strategies hold but those that begin with a head, where the loss has none;
 * an auxiliary loss reads the passages.
 * @param start a model, or its folder
 * @param tables pairs to learn from and, for held-out figures, pairs and passages to search
 * @throws {ConfigError} when model and task do not fit, or options are wrong: all problems together
 * @throws {DataError} for rows that cannot be used, naming file and line; RIVALS_NONE
 * @throws {DivergenceError} NOT_FINITE; the last checkpoint stays
 * @source Reimers & Gurevych 2019, arXiv:1908.10084
 */
export async function finetuneRetrieval(
  start: FinetuneStart,
  task: Retrieval,
  tables: RetrievalTables,
  options: FinetuneOptions = {},
): Promise<FinetunedRetriever> {
  const { dtype = "f32", listener, fromScratch = false } = options;
  const { tokenizer, ...settings } = task.settings;
  const { loss, maxSeqLength, packed, pooling } = settings;
  const issues: ConfigIssue[] = [];
  const resolved = resolveFinetune(options, issues, retrievalFigures[loss], { byStrategy: true });
  const { train: trainOptions, adapter } = resolved;
  const seed = trainOptions?.seed ?? 0;
  const opened = await openStart(start, seed);
  issues.push(...issuesOf(opened, task, options));
  const { family, config } = opened.state;
  const source = {
    ...{ name: opened.name, language: opened.language, tokenizer, maxSeqLength, packed },
    textsOf: languageTexts(tokenizer),
  };
  const headless = headIssues(task, options);
  issues.push(...headless);
  if (headless.length === 0) {
    const structure = () => ({ family, config, module: family.pretraining(config) });
    const around = (network: PretrainingModel) => new SiameseNetwork(network, loss === "classification" ? 2 : 0);
    const isUnused = (network: object) => unusedBySearch(network as SiameseNetwork);
    issues.push(...strategyIssues(structure, source, resolved, { around, isUnused }));
  }
  if (issues.length > 0 || trainOptions === undefined) throw new ConfigError("finetune", issues);
  for (const message of opened.notices) listener?.({ kind: "notice", message });

  const { framing } = family;
  const data = await task.read(tables.train, { framing });
  tell(listener, data, loss);
  if (loss === "inBatchNegatives") requireRivals(data);
  const { labels } = data;
  const held =
    tables.eval && (await task.read(tables.eval, { labels, framing, corpus: tables.corpus, ignoresNegatives: true }));
  if (held !== undefined) tell(listener, held, loss);
  const state = startModel(opened, family.pretraining(config), { seed, fromScratch, keepsHead: false, adapter });
  const model = new SiameseNetwork(state.module, labels.length);
  const { batchSize, maxEvalExamples: maxExamples } = trainOptions;
  const outcome = await runTask(
    {
      ...{ objective: task.objective(data), examples: data.examples, source },
      state: { ...state, module: model, weights: adoptWeights(initialWeights(model, seed), state.weights).weights },
      isStill: unusedBySearch(model),
      held: held && heldOutPairs(held, { task, model, batchSize, dtype, maxExamples }),
      identity: { settings, tokenizer: tokenizer.hash, data: dataHash(data) },
      resolved: { ...resolved, train: trainOptions },
    },
    options,
  );
  const learnt = new Map([...outcome.weights].filter(([name]) => isCarried(name)));
  const retriever: RetrievalModel = {
    ...{ ...state, tokenizer, sentence: { pooling, maxSeqLength, normalize: true } },
    weights: adoptWeights(state.weights, learnt).weights,
  };
  return {
    ...retriever,
    ...outcome,
    weights: retriever.weights,
    save: (folder) => saveRetrievalModel(folder, retriever),
  };
}
