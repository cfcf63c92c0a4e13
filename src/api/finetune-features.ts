/** @file Feature extraction: vectors of all texts are computed once and kept on disk; only a head over them is trained. */
import { join } from "node:path";
import type { Backend } from "../backend/backend.ts";
import { ConfigError, type ConfigIssue } from "../base/errors.ts";
import type { TableSource } from "../data/table.ts";
import { VectorFile } from "../formats/vector-file.ts";
import type { ModelState } from "../models/family.ts";
import { hiddenStateParameters } from "../models/hidden-state.ts";
import type { Encoder } from "../models/model.ts";
import type { Module } from "../nn/module.ts";
import { initialWeights } from "../nn/weights.ts";
import { withEngine } from "../runtime.ts";
import { lowerIsBetter } from "../selection/trial.ts";
import type { ClassificationResult } from "../tasks/classification-evaluation.ts";
import { FeatureHead, FeatureHeadProgram, featureObjective } from "../tasks/feature-head.ts";
import { type TokenPooling, tokenPoolings } from "../tasks/pooling.ts";
import { TextEmbeddingProgram } from "../tasks/text-embedding-program.ts";
import type { TextTask, TextTaskData } from "../tasks/text-task.ts";
import { type TrainResult, train } from "../train/trainer.ts";
import { explainFeaturesIfAsked } from "./explain-features.ts";
import { type FeatureFacts, type FeatureModel, featureSize, saveFeatureModel } from "./feature-model.ts";
import { dataHash, tell } from "./finetune.ts";
import { type FinetuneOptions, resolveFinetune } from "./finetune-option.ts";
import { decidingOptions, fingerprintOf, wholeWeightsHash } from "./fingerprint.ts";
import { openModel } from "./opened.ts";
import { type HeldOut, measureFinal } from "./run-task.ts";
import { type FinetuneStart, fitIssues, openStart } from "./start-classifier.ts";

/** What is read off a model, and what is put upon it. */
export interface FeatureSettings {
  /** Whose outputs: 0 the embeddings', 1 the first layer's, −1 (the default) the last one's; of several one behind the other. */
  readonly layers?: number | readonly number[] | undefined;
  /** How a text's tokens become one vector: `mean` by default; several are put one behind the other. */
  readonly pooling?: TokenPooling | readonly TokenPooling[] | undefined;
  /** Width of a layer with tanh between vectors and classes; 0, none, by default. */
  readonly hiddenSize?: number | undefined;
  /** Dropout on the head's inputs; 0.1 by default. */
  readonly dropout?: number | undefined;
  /** Folder of the vectors; `features` in the run's folder by default. Runs that share model, texts, layers and pooling may share it. */
  readonly folder?: string | undefined;
}

/** Training options, and what is read off the model (with fromScratch off a network with new weights, the control); the head's rate is 1e-3 where nothing is said. */
export type FeatureOptions = Pick<
  FinetuneOptions,
  Exclude<keyof FinetuneOptions, "freeze" | "unfreezing" | "adapter" | "auxiliary" | "languageTuning" | "treatment">
> & { readonly features?: FeatureSettings | undefined };

/** A head over an encoder's vectors, and how it was made. */
export interface FinetunedFeatures<R = ClassificationResult> extends FeatureModel {
  readonly run: Omit<TrainResult, "weights">;
  /** Figures on the held-out table; undefined without one, or when the run was interrupted. */
  readonly evaluation: R | undefined;
  /** Texts whose vectors were computed; 0 where all were there. */
  readonly numExtracted: number;
  readonly seconds: { readonly extracting: number; readonly training: number };
  /** Writes the encoder's model directory with the head beside it; `loadFeatureModel` reads it. */
  save(folder: string): Promise<void>;
}

function resolveFeatures(
  { layers = -1, pooling = "mean", hiddenSize = 0, dropout = 0.1 }: FeatureSettings,
  depth: number,
  issues: ConfigIssue[],
): FeatureFacts {
  const [asked, poolings] = [[layers].flat(), [pooling].flat()];
  const refuse = (path: string, message: string, code = "CONFIG_RANGE") =>
    issues.push({ path: `features.${path}`, message, code });
  if (asked.length === 0) refuse("layers", "must name one layer at least; got none.");
  if (poolings.length === 0) refuse("pooling", "must name one way at least; got none.");
  for (const layer of asked) {
    if (Number.isInteger(layer) && layer >= -depth - 1 && layer <= depth) continue;
    refuse("layers", `must be whole numbers from ${-depth - 1} to ${depth}; got ${layer}.`);
  }
  for (const name of poolings) {
    if (tokenPoolings.includes(name)) continue;
    const message = `must be one of ${tokenPoolings.join(", ")}; got ${JSON.stringify(name)}.`;
    refuse("pooling", message, "CONFIG_UNKNOWN_VALUE");
  }
  return { layers: asked.map((layer) => (layer < 0 ? depth + 1 + layer : layer)), poolings, hiddenSize, dropout };
}

const TEXTS_AT_A_TIME = 2048;

interface Extraction {
  readonly encoder: ModelState<Module & { readonly encoder: Encoder }>;
  readonly features: FeatureFacts;
  readonly tokenizerHash: string;
  readonly padId: number;
  readonly maxSeqLength: number;
  readonly backend: Backend;
  readonly options: FeatureOptions;
}

/** The vectors of a table's texts, computed unless they are in the folder. */
async function vectorsOf(data: TextTaskData, folder: string, extraction: Extraction) {
  const { encoder, features, tokenizerHash, padId, maxSeqLength, backend, options } = extraction;
  const { layers, poolings } = features;
  const { dtype = "f32", listener } = options;
  const { examples } = data;
  const size = featureSize(features, encoder.module.encoder);
  const texts = { ...data, labels: [], examples: examples.map((example) => ({ ...example, label: 0 })) };
  // Heads that a model's folder lacks are drawn by the seed, and have no part in vectors.
  const used = hiddenStateParameters(encoder.module);
  const weights = new Map([...encoder.weights].filter(([name]) => used.has(name)));
  const identity = fingerprintOf({
    ...{ config: encoder.config, weights: wholeWeightsHash(weights), tokenizer: tokenizerHash },
    ...{ layers, poolings, maxSeqLength, dtype, texts: dataHash(texts) },
  });
  async function* make(first: number) {
    const { program, dispose } = await openModel("encoder", encoder, { engine: backend, dtype }, (place) => {
      const what = { encoder: encoder.module.encoder, layer: layers, pooling: poolings };
      return new TextEmbeddingProgram({ ...place, ...what, maxSeqLength, padId, batchSize: 32 });
    });
    try {
      const start = performance.now();
      for (let at = first; at < examples.length; at += TEXTS_AT_A_TIME) {
        options.signal?.throwIfAborted();
        yield await program.embed(examples.slice(at, at + TEXTS_AT_A_TIME));
        const done = Math.min(examples.length, at + TEXTS_AT_A_TIME);
        const rate = ((1000 * (done - first)) / (performance.now() - start)).toFixed(0);
        listener?.({
          kind: "notice",
          message: `${data.name}: vectors of ${done}/${examples.length} texts (${rate}/s)`,
        });
      }
    } finally {
      await dispose();
    }
  }
  return VectorFile.fill(folder, { size, count: examples.length, identity }, make);
}

/**
 * Trains a head over the vectors that a pre-trained model gives to texts; the model itself stands still.
 *
 * Vectors are computed once and kept on disk, so that no epoch but the first, and no later run with the same model, texts, layers
 * and pooling costs the encoder anything; what a crash left half done goes on. Dims of a vector: layers · poolings · H.
 * @param start a model, or its folder
 * @param tables `train` and, for held-out figures, `eval`
 * @throws {ConfigError} all problems together
 * @throws {DataError} for rows that cannot be used; VECTORS_OTHER where the folder holds vectors of something else
 * @source Peters et al. 2018, arXiv:1802.05365 (several layers); Howard & Ruder 2018 §3.3 (concat pooling: `["last", "max", "mean"]`)
 */
export async function finetuneFeatures<D extends TextTaskData, R extends { readonly loss: number }>(
  start: FinetuneStart,
  task: TextTask<D, R>,
  tables: { readonly train: TableSource; readonly eval?: TableSource | undefined },
  options: FeatureOptions = {},
): Promise<FinetunedFeatures<R>> {
  const { features: asked = {}, learningRate = 1e-3, ...rest } = options;
  const { outputDir, engine, dtype = "f32", listener, signal, fromScratch = false } = options;
  const { tokenizer, maxSeqLength, ...settings } = task.settings;
  const issues: ConfigIssue[] = [];
  const resolved = resolveFinetune({ ...rest, learningRate }, issues, task.figures, { explains: true });
  const { train: trainOptions, selectionFigure, strategy } = resolved;
  const seed = trainOptions?.seed ?? 0;
  const opened = await openStart(start, seed);
  issues.push(...fitIssues(opened, task.settings));
  const folder = asked.folder ?? (outputDir === undefined ? undefined : join(outputDir, "features"));
  if (folder === undefined) {
    const message = "must be given where there is no outputDir: vectors are kept on disk. Name a folder.";
    issues.push({ path: "features.folder", message, code: "CONFIG_MISSING" });
  }
  const given = opened.state as ModelState<Module & { readonly encoder: Encoder }>;
  // The control: a network that has seen no text; what its random layers give is kept and read all the same.
  const encoder = fromScratch ? { ...given, weights: initialWeights(given.module, seed) } : given;
  const features = resolveFeatures(asked, encoder.module.encoder.numHiddenLayers, issues);
  if (issues.length > 0 || trainOptions === undefined || folder === undefined)
    throw new ConfigError("features", issues);
  for (const message of opened.notices) listener?.({ kind: "notice", message });

  const { framing } = encoder.family;
  const data = await task.read(tables.train, { framing });
  tell(listener, data, maxSeqLength);
  const { labels, facts } = data;
  const held = tables.eval === undefined ? undefined : await task.read(tables.eval, { labels, framing });
  if (held !== undefined) tell(listener, held, maxSeqLength);

  explainFeaturesIfAsked({ task, data, encoder, features, resolved: { strategy, train: trainOptions } }, options);
  return withEngine(
    engine,
    async (backend) => {
      const place = { encoder, features, tokenizerHash: tokenizer.hash, padId: tokenizer.special.pad, maxSeqLength };
      const extraction: Extraction = { ...place, backend, options };
      const began = performance.now();
      const files: VectorFile[] = [];
      const vectorsIn = async (all: D, part: string) => {
        const filled = await vectorsOf(all, join(folder, part), extraction);
        files.push(filled.vectors);
        return filled;
      };
      try {
        const trained = await vectorsIn(data, "train");
        const tested = held === undefined ? undefined : await vectorsIn(held, "eval");
        const extracting = (performance.now() - began) / 1000;
        const { size, identity } = trained.vectors.facts;
        const head = new FeatureHead({ ...features, size, numLabels: labels.length });
        const examples = data.examples.map(({ label }, index) => ({ index, label }));
        const open: HeldOut<R>["open"] | undefined =
          held &&
          tested &&
          ((place) => {
            const program = new FeatureHeadProgram(place, head);
            return {
              run: async () => task.result(held, await program.logits(held.examples.length, tested.vectors), facts),
              dispose: () => program.dispose(),
            };
          });
        const results: R[] = [];
        const { weights: learned, ...run } = await train({
          ...{ backend, model: head, weights: initialWeights(head, seed), options: trainOptions },
          objective: featureObjective(task, trained.vectors, size),
          examples: { numExamples: examples.length, example: (_seed, _epoch, index) => examples[index]! },
          evaluation:
            open &&
            ((store) => {
              const { run: measure, dispose } = open({ backend, store });
              return {
                run: async () => {
                  const result = await measure("all");
                  results.push(result);
                  return task.trainingFigures(result);
                },
                dispose,
              };
            }),
          selection: { figure: selectionFigure, higherIsBetter: !lowerIsBetter.includes(selectionFigure) },
          outputDir,
          fingerprint: fingerprintOf({
            ...{ vectors: identity, data: dataHash(data), settings, features, selectionFigure },
            options: decidingOptions(trainOptions),
          }),
          ...{ listener, signal },
        });
        // A run that went on from a checkpoint has earlier evaluations as figures only.
        const selected = run.evaluations.findIndex(({ step }) => step === run.selectedStep);
        const known = results.length === run.evaluations.length ? results[selected] : undefined;
        const isMeasured = open !== undefined && run.reason !== "interrupted";
        const evaluation = isMeasured ? (known ?? (await measureFinal(backend, head, learned, open))) : undefined;
        const model: FeatureModel = {
          ...{ encoder, features, head, labels, weights: learned, tokenizer, maxSeqLength },
          newParameters: fromScratch ? undefined : opened.language?.newParameters,
          ...(facts === undefined ? {} : { facts }),
        };
        return {
          ...{ ...model, run, evaluation },
          save: (folder) => saveFeatureModel(folder, model),
          numExtracted: trained.made + (tested?.made ?? 0),
          seconds: { extracting, training: (performance.now() - began) / 1000 - extracting },
        };
      } finally {
        for (const vectors of files) vectors.close();
      }
    },
    dtype,
  );
}
