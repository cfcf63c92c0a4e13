import { createHash } from "node:crypto";
import { ConfigError, type ConfigIssue } from "../base/errors.ts";
import type { TaggedSource } from "../data/tagged-sentence.ts";
import { familyOf } from "../models/families.ts";
import type { ModelState } from "../models/family.ts";
import { type Encoder, isCarried, type TokenModel } from "../models/model.ts";
import type { Module } from "../nn/module.ts";
import { adoptWeights, initialWeights } from "../nn/weights.ts";
import { withEngine } from "../runtime.ts";
import { showLabels } from "../tasks/label-name.ts";
import type { TaggingData } from "../tasks/tagging-data.ts";
import { type TaggingResult, taggingFigureNames, taggingFigures, taggingResult } from "../tasks/tagging-evaluation.ts";
import type { TokenClassification } from "../tasks/token-classification.ts";
import { TokenClassifierProgram } from "../tasks/token-classifier-program.ts";
import { hasTokenizer, loadTokenizer } from "../tokenizers/load.ts";
import type { EvaluationEvent, TrainListener } from "../train/event.ts";
import { ModelStore } from "../train/model-store.ts";
import { type TrainResult, train } from "../train/trainer.ts";
import { type FinetuneOptions, resolveFinetune } from "./finetune-option.ts";
import { fingerprintOf, weightsHash } from "./fingerprint.ts";
import { saveClassifier } from "./load.ts";
import { type FinetuneStart, type Pretraining, vocabularyIssues } from "./start-classifier.ts";
import type { Tagger } from "./tagger.ts";

/** A tagger and how it was made. */
export interface FinetunedTagger extends Tagger {
  readonly run: Omit<TrainResult, "weights">;
  readonly evaluations: readonly EvaluationEvent[];
  /** Figures of these weights on the held-out sentences; undefined without them, or when the run was interrupted. */
  readonly evaluation: TaggingResult | undefined;
  /** Writes a Hugging Face model directory. */
  save(folder: string): Promise<void>;
}

async function openStart(start: FinetuneStart, seed: number): Promise<Pretraining> {
  if (typeof start !== "string") {
    const { tokenizer, labels } = start as ModelState<Module & { readonly encoder: Encoder }> & Partial<Tagger>;
    const isTagger = "tokenLogits" in start.module;
    return { name: "model", state: start, tokenizer, labels: isTagger ? labels : undefined, notices: [] };
  }
  const family = await familyOf(start);
  const tokenizer = hasTokenizer(start) ? await loadTokenizer(start) : undefined;
  const isTagger = (await family.purposeOf(start)) === "tokenClassification";
  const load = isTagger ? family.loadTokenClassification(start, seed) : family.loadPretraining(start, seed);
  const { labels, notices, ...state } = await load;
  return { name: start, state, tokenizer, labels: isTagger ? labels : undefined, notices };
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

/** The network and weights to begin with: the encoder's are those of the model; a head for the same tags is kept. */
function startTagger(
  { state, labels: oldLabels }: Pretraining,
  labels: readonly string[],
  { seed, fromScratch }: { readonly seed: number; readonly fromScratch: boolean },
): ModelState<TokenModel> {
  const { family, config } = state;
  const module = family.tokenClassification(config, labels.length);
  const fresh = initialWeights(module, seed);
  if (fromScratch) return { family, config, module, weights: fresh };
  const keepsHead = oldLabels?.join("\n") === labels.join("\n");
  const source = keepsHead ? state.weights : new Map([...state.weights].filter(([name]) => isCarried(name)));
  return { family, config, module, weights: adoptWeights(fresh, source).weights };
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
  const { outputDir, engine, dtype = "f32", listener, signal, fromScratch = false } = options;
  const { tokenizer, maxSeqLength, packed } = task.settings;
  const issues: ConfigIssue[] = [];
  const resolved = resolveFinetune(options, issues, taggingFigureNames);
  const { train: trainOptions, freeze, selectionFigure, treatment } = resolved;
  const seed = trainOptions?.seed ?? 0;
  const opened = await openStart(start, seed);
  const { family, config } = opened.state;
  const { maxPositionEmbeddings } = family.facts(config);
  issues.push(...vocabularyIssues(opened, tokenizer));
  if (maxSeqLength > maxPositionEmbeddings) {
    const message = `must be at most the model's maxPositionEmbeddings; got ${maxSeqLength} and ${maxPositionEmbeddings}.`;
    issues.push({ path: "task.maxSeqLength", message, code: "SEQUENCE_TOO_LONG" });
  }
  if (issues.length > 0 || trainOptions === undefined) throw new ConfigError("finetune", issues);
  for (const message of opened.notices) listener?.({ kind: "notice", message });
  // A family without such a head says so before any data are read.
  family.tokenClassification(config, 2);

  const { framing } = family;
  const learnt = await task.read(data.train, { framing });
  tell(listener, learnt);
  const { labels, windows } = learnt;
  const held = data.eval === undefined ? undefined : await task.read(data.eval, { labels, framing });
  if (held !== undefined) tell(listener, held);
  const state = startTagger(opened, labels, { seed, fromScratch });

  return withEngine(
    engine,
    async (backend) => {
      const { batchSize, maxEvalExamples } = trainOptions;
      const scored = held && firstSentences(held, maxEvalExamples);
      const policy = { compute: dtype };
      const padId = tokenizer.special.pad;
      const evaluated = async (program: TokenClassifierProgram, on: TaggingData): Promise<TaggingResult> =>
        taggingResult(on, await program.logits(on.windows));
      const programOf = (store: ModelStore) =>
        new TokenClassifierProgram({
          ...{ backend, store, model: state.module, batchSize, maxSeqLength, padId, packed, policy },
        });
      const results: TaggingResult[] = [];
      const { keepCheckpoints: _keep, checkpointSteps: _steps, recomputeLayers: _memory, ...numeric } = trainOptions;
      const { lanes: _lanes, ...facts } = numeric;
      const { tokenizer: _tokenizer, ...settings } = task.settings;
      const { weights, ...run } = await train({
        backend,
        model: state.module,
        weights: state.weights,
        objective: task,
        examples: { numExamples: windows.length, example: (_seed, _epoch, index) => windows[index]! },
        options: trainOptions,
        policy,
        ...(treatment === undefined ? {} : { treatment }),
        evaluation:
          scored &&
          ((store) => {
            const program = programOf(store);
            return {
              run: async () => {
                const result = await evaluated(program, scored);
                results.push(result);
                return taggingFigures(result);
              },
              dispose: () => program.dispose(),
            };
          }),
        selection: { figure: selectionFigure, higherIsBetter: selectionFigure !== "loss" },
        outputDir,
        fingerprint: fingerprintOf({
          config: state.config,
          weights: weightsHash(state.weights),
          settings,
          tokenizer: tokenizer.hash,
          data: dataHash(learnt),
          freeze,
          selectionFigure,
          options: facts,
        }),
        listener,
        signal,
      });
      const tagger: Tagger = { ...state, weights, tokenizer, labels, maxSeqLength };
      const { evaluations } = run;
      let evaluation = results[evaluations.findIndex(({ step }) => step === run.selectedStep)];
      // A run that went on from a checkpoint has earlier evaluations as figures only.
      const isWhole = scored?.sentences.length === held?.sentences.length;
      if (results.length !== evaluations.length || !isWhole) evaluation = undefined;
      if (evaluation === undefined && held !== undefined && run.reason !== "interrupted") {
        const store = new ModelStore(backend, state.module, ["value"]);
        store.write("value", weights);
        const program = programOf(store);
        try {
          evaluation = await evaluated(program, held);
        } finally {
          await program.dispose();
          store.dispose();
        }
      }
      return { ...tagger, run, evaluations, evaluation, save: (folder) => saveClassifier(folder, tagger) };
    },
    dtype,
  );
}
