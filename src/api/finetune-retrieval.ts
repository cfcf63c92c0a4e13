import { createHash } from "node:crypto";
import type { Backend } from "../backend/backend.ts";
import { ConfigError, type ConfigIssue } from "../base/errors.ts";
import type { TableSource } from "../data/table.ts";
import { movesWithAdapter } from "../models/adapter/attach.ts";
import { adoptWeights, initialWeights, type Weights } from "../nn/weights.ts";
import { withEngine } from "../runtime.ts";
import { vectorTable } from "../tasks/nearest.ts";
import { normalize } from "../tasks/pooling.ts";
import { type Retrieval, type RetrievalLoss, SiameseNetwork } from "../tasks/retrieval.ts";
import type { RetrievalData } from "../tasks/retrieval-data.ts";
import {
  cosineFigures,
  type RetrievalResult,
  rankingFigures,
  retrievalFigures,
  searchReport,
} from "../tasks/retrieval-evaluation.ts";
import { TextEmbeddingProgram } from "../tasks/text-embedding-program.ts";
import { Evaluator } from "../train/evaluator.ts";
import type { EvaluationEvent, TrainListener } from "../train/event.ts";
import { ModelStore } from "../train/model-store.ts";
import { type TrainResult, train } from "../train/trainer.ts";
import { type FinetuneOptions, resolveFinetune } from "./finetune-option.ts";
import { fingerprintOf, weightsHash } from "./fingerprint.ts";
import { type RetrievalModel, saveRetrievalModel } from "./retrieval-model.ts";
import {
  type FinetuneStart,
  lengthIssues,
  openStart,
  type Pretraining,
  startModel,
  vocabularyIssues,
} from "./start-classifier.ts";

/** Tables of pairs, and what held-out questions are searched for among. */
export interface RetrievalTables {
  readonly train: TableSource;
  readonly eval?: TableSource | undefined;
  /** More passages that held-out questions are searched for among; those of `eval` alone when left out. */
  readonly corpus?: TableSource | undefined;
}

/** A model for search, and how it was made. */
export type FinetunedRetriever = RetrievalModel & {
  readonly run: Omit<TrainResult, "weights">;
  readonly evaluations: readonly EvaluationEvent[];
  /** Figures of these weights on the held-out pairs; undefined without them, or when the run was interrupted. */
  readonly evaluation: RetrievalResult | undefined;
  /** Writes a model directory that `embed` opens, and sentence-transformers. */
  save(folder: string): Promise<void>;
};

/** What the names of a siamese network's parameters begin with where they are those of the network. */
const NETWORK = "network.";

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
  const negatives = numNegatives === 0 ? "" : `, ${numNegatives} negatives each`;
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
  if (options.freeze === "encoder" && loss !== "classification") {
    issues.push({
      path: "transfer.freeze",
      message: `must be none: the loss ${loss} has nothing but the encoder to learn with.`,
      code: "CONFIG_AMBIGUOUS",
    });
  }
  return issues;
}

/** The weights of the network in those of a siamese network. */
function networkWeights(weights: Weights): Weights {
  return new Map(
    [...weights].flatMap(([name, data]) =>
      name.startsWith(NETWORK) ? [[name.slice(NETWORK.length), data] as const] : [],
    ),
  );
}

interface EvaluationPlace {
  readonly backend: Backend;
  readonly task: Retrieval;
  readonly model: SiameseNetwork;
  readonly batchSize: number;
  readonly policy: { readonly compute: NonNullable<FinetuneOptions["dtype"]> };
}

/** Figures of the weights of a store on held-out pairs. */
async function evaluated(
  store: ModelStore,
  data: RetrievalData,
  { backend, task, model, batchSize, policy }: EvaluationPlace,
): Promise<RetrievalResult> {
  const { loss: kind, tokenizer, maxSeqLength, pooling } = task.settings;
  const objective = task.objective(data);
  const evaluator = new Evaluator({ backend, store, model, loss: objective.loss, policy });
  const { encoder } = model.network;
  const program = new TextEmbeddingProgram({
    ...{ backend, store, encoder, maxSeqLength, batchSize, policy, pooling },
    layer: encoder.numHiddenLayers,
    padId: tokenizer.special.pad,
  });
  try {
    const batches = function* () {
      for (let at = 0; at < data.examples.length; at += batchSize) {
        const part = data.examples.slice(at, at + batchSize);
        yield objective.collate(
          part.map((example, i) => ({ example, epoch: 0, item: at + i })),
          0,
        );
      }
    };
    const { loss, means } = await evaluator.run(batches());
    const accuracy = means.accuracy === undefined ? {} : { accuracy: means.accuracy };
    if (kind === "classification") return { loss, figures: accuracy, ranking: undefined };
    const embed = async (texts: Parameters<typeof program.embed>[0]) => (await program.embed(texts)).map(normalize);
    if (kind === "cosine") {
      const vectors = await embed(data.examples.flatMap(({ texts }) => texts));
      const cosines = data.examples.map((_, i) =>
        vectors[2 * i]!.reduce((sum, x, k) => sum + x * vectors[2 * i + 1]![k]!, 0),
      );
      const scores = data.examples.map(({ label }) => label);
      return { loss, figures: cosineFigures(scores, cosines), ranking: undefined };
    }
    const passages = await embed(data.passages.map(({ text }) => text));
    const asked = new Map(data.examples.map(({ question, texts }) => [question, texts[0]!]));
    const vectors = await embed([...asked.values()]);
    const ranking = searchReport(
      [...asked.keys()].map((question, i) => ({ vector: vectors[i]!, relevant: data.answers[question]! })),
      vectorTable(passages, encoder.hiddenSize),
      data.passages.map(({ group }) => group),
    );
    return { loss, figures: { ...rankingFigures(ranking), ...accuracy }, ranking };
  } finally {
    await program.dispose();
    await evaluator.dispose();
  }
}

/**
 * Fine-tunes a pre-trained model so that its vectors find the texts that answer a question. A run with an `outputDir` that
 * holds its checkpoint goes on from there.
 * @param start a model, or its folder
 * @param tables pairs to learn from and, for held-out figures, pairs and passages to search
 * @throws {ConfigError} when model and task do not fit, or options are wrong: all problems together
 * @throws {DataError} for rows that cannot be used, naming file and line
 * @throws {DivergenceError} NOT_FINITE; the last checkpoint stays
 * @source Reimers & Gurevych 2019, arXiv:1908.10084
 */
export async function finetuneRetrieval(
  start: FinetuneStart,
  task: Retrieval,
  tables: RetrievalTables,
  options: FinetuneOptions = {},
): Promise<FinetunedRetriever> {
  const { outputDir, engine, dtype = "f32", listener, signal, fromScratch = false } = options;
  const { tokenizer, ...settings } = task.settings;
  const issues: ConfigIssue[] = [];
  const resolved = resolveFinetune(options, issues, retrievalFigures[settings.loss], { adapts: true });
  const { train: trainOptions, freeze, selectionFigure, treatment, adapter } = resolved;
  const seed = trainOptions?.seed ?? 0;
  const opened = await openStart(start, seed);
  issues.push(...issuesOf(opened, task, options));
  if (issues.length > 0 || trainOptions === undefined) throw new ConfigError("finetune", issues);
  for (const message of opened.notices) listener?.({ kind: "notice", message });

  const { framing } = opened.state.family;
  const data = await task.read(tables.train, { framing });
  tell(listener, data, settings.loss);
  const { labels } = data;
  const held =
    tables.eval && (await task.read(tables.eval, { labels, framing, corpus: tables.corpus, ignoresNegatives: true }));
  if (held !== undefined) tell(listener, held, settings.loss);
  const network = opened.state.family.pretraining(opened.state.config);
  const state = startModel(opened, network, { seed, fromScratch, keepsHead: false, adapter });
  const moves = adapter === undefined ? () => true : movesWithAdapter(network);
  const treated = (name: string) => (moves(name) ? (treatment?.(name) ?? {}) : { learningRateScale: 0 });
  const model = new SiameseNetwork(state.module, labels.length);
  const started = new Map([...state.weights].map(([name, own]) => [`${NETWORK}${name}`, own]));
  const weights = adoptWeights(initialWeights(model, seed), started).weights;

  return withEngine(
    engine,
    async (backend) => {
      const { batchSize, maxEvalExamples } = trainOptions;
      const policy = { compute: dtype };
      const place = { backend, task, model, batchSize, policy };
      const scored = held && { ...held, examples: held.examples.slice(0, maxEvalExamples ?? undefined) };
      const { keepCheckpoints: _keep, checkpointSteps: _steps, recomputeLayers: _memory, ...numeric } = trainOptions;
      const { lanes: _lanes, ...facts } = numeric;
      const { weights: trained, ...run } = await train({
        backend,
        model,
        weights,
        objective: task.objective(data),
        examples: { numExamples: data.examples.length, example: (_seed, _epoch, index) => data.examples[index]! },
        options: trainOptions,
        policy,
        treatment: (name) => (name.startsWith(NETWORK) ? treated(name.slice(NETWORK.length)) : {}),
        evaluation:
          scored &&
          ((store) => ({
            run: async () => {
              const { loss, figures } = await evaluated(store, scored, place);
              return { loss, means: figures };
            },
            dispose: async () => undefined,
          })),
        selection: { figure: selectionFigure, higherIsBetter: selectionFigure !== "loss" },
        outputDir,
        fingerprint: fingerprintOf({
          config: state.config,
          weights: weightsHash(state.weights),
          settings,
          tokenizer: tokenizer.hash,
          data: dataHash(data),
          freeze,
          adapter,
          selectionFigure,
          options: facts,
        }),
        listener,
        signal,
      });
      const { pooling, maxSeqLength } = settings;
      const retriever: RetrievalModel = {
        ...state,
        weights: networkWeights(trained),
        tokenizer,
        sentence: { pooling, maxSeqLength, normalize: true },
      };
      let evaluation: RetrievalResult | undefined;
      if (held !== undefined && run.reason !== "interrupted") {
        const store = new ModelStore(backend, model, ["value"]);
        try {
          store.write("value", trained);
          evaluation = await evaluated(store, held, place);
        } finally {
          store.dispose();
        }
      }
      const { evaluations } = run;
      return { ...retriever, run, evaluations, evaluation, save: (folder) => saveRetrievalModel(folder, retriever) };
    },
    dtype,
  );
}
