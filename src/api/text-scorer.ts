/** @file A model with a head for whole texts, in an engine: what gives classes and what gives numbers have this in common. */
import { ConfigError } from "../base/errors.ts";
import { type EncodedText, emptyText, encodeTexts, type TextEncoding, type TextInput } from "../tasks/encode-text.ts";
import { TextClassifierProgram } from "../tasks/text-classifier-program.ts";
import { quantizeIssues } from "../train/fixed-weights.ts";
import type { TextClassifier } from "./model.ts";
import { type OpenOptions, openModel } from "./opened.ts";

export interface PredictOptions extends OpenOptions {
  /** Texts computed together; 32 by default. */
  readonly batchSize?: number | undefined;
  /** Longest text in tokens; the classifier's own by default. */
  readonly maxSeqLength?: number | undefined;
}

/**
 * Options with their values, for a model that reads texts.
 * @throws {ConfigError} all problems together
 */
export function resolvePredict(
  model: Pick<TextClassifier, "family" | "config" | "maxSeqLength">,
  { dtype = "f32", batchSize = 32, maxSeqLength = model.maxSeqLength, quantize = "none" }: PredictOptions,
): { readonly batchSize: number; readonly maxSeqLength: number } {
  const { maxPositionEmbeddings } = model.family.facts(model.config);
  const issues = quantizeIssues(quantize, dtype);
  if (!(Number.isInteger(maxSeqLength) && maxSeqLength >= 5 && maxSeqLength <= maxPositionEmbeddings)) {
    const message = `must be a whole number from 5 to the model's maxPositionEmbeddings, ${maxPositionEmbeddings}; got ${maxSeqLength}.`;
    issues.push({ path: "maxSeqLength", message, code: "CONFIG_RANGE" });
  }
  if (!(Number.isInteger(batchSize) && batchSize >= 1)) {
    const message = `must be a whole number ≥ 1; got ${batchSize}.`;
    issues.push({ path: "batchSize", message, code: "CONFIG_RANGE" });
  }
  if (issues.length > 0) throw new ConfigError("predict", issues);
  return { batchSize, maxSeqLength };
}

/** Scores of texts; dispose it when done. */
export interface TextScorer {
  /** How texts become what is scored. */
  readonly encoding: TextEncoding;
  /** Bytes of the weights in the engine, copies that its kernels make not counted. */
  readonly weightBytes: number;
  /** @throws {DataError} TEXT_EMPTY */
  encode(texts: readonly TextInput[]): Promise<EncodedText[]>;
  /** Scores in the order of the texts, each `[numLabels]`. */
  scores(texts: readonly EncodedText[]): Promise<Float32Array[]>;
  dispose(): Promise<void>;
}

/**
 * Puts a model into an engine.
 * @throws {ConfigError} for a wrong batchSize or maxSeqLength
 */
export async function openTextScorer(classifier: TextClassifier, options: PredictOptions = {}): Promise<TextScorer> {
  const { tokenizer, module } = classifier;
  const { batchSize, maxSeqLength } = resolvePredict(classifier, options);
  const encoding = { tokenizer, framing: classifier.family.framing, maxSeqLength };
  const padId = tokenizer.special.pad;
  const { program, weightBytes, check, dispose } = await openModel("predictor", classifier, options, (place) => {
    return new TextClassifierProgram({ ...place, model: module, batchSize, maxSeqLength, padId });
  });
  return {
    encoding,
    weightBytes,
    encode: (texts) => encodeTexts(encoding, texts, emptyText),
    scores: async (texts) => {
      check();
      return program.logits(texts);
    },
    dispose,
  };
}
