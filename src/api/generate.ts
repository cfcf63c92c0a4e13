import { existsSync } from "node:fs";
import { join } from "node:path";
import { ConfigError, FirthError } from "../base/errors.ts";
import { readJsonObject } from "../formats/json-file.ts";
import { FeedProgram } from "../generation/feed-program.ts";
import type { LogitsProcessor } from "../generation/logits-processor.ts";
import { type WritingNetwork, writingNetwork } from "../generation/network.ts";
import type { PromptInput } from "../generation/prompt-encoder.ts";
import { type GenerationInput, settingsFromFile } from "../generation/settings.ts";
import { type GeneratedText, type GenerateSettings, TextGenerator } from "../generation/text-generator.ts";
import type { ComputeDType } from "../ir/dtype.ts";
import type { GivenEngine } from "../runtime.ts";
import { type Quantize, quantizeIssues } from "../train/fixed-weights.ts";
import type { PretrainedModel } from "./model.ts";
import { type Opened, type OpenedPlace, openModel } from "./opened.ts";

export type { GeneratedText, GenerateSettings, GenerationInput, LogitsProcessor, PromptInput };

/** Where and how a model writes. */
export interface GeneratorOptions {
  readonly engine?: GivenEngine | undefined;
  /** What activations and matrix products are computed in; `f32` by default. */
  readonly dtype?: ComputeDType | undefined;
  /** `int8`: linear layers in 8 bits, faster, with slightly different scores; `none` by default. */
  readonly quantize?: Quantize | undefined;
}

export interface GenerateOptions extends GenerateSettings, GeneratorOptions {}

/** A model in an engine, ready to write; dispose it when done. */
export type Generator = Pick<TextGenerator, "generate" | "stream" | "dispose">;

/** A model in an engine with what its programs need. */
export interface OpenedWriter extends OpenedPlace {
  readonly network: WritingNetwork;
}

/**
 * Opens a model that writes, with a program over it.
 * @throws {ConfigError} for wrong options; {FirthError} MODEL_CANNOT_WRITE, MODEL_LACKS_HEAD
 */
export async function openWriter<P extends { dispose(): Promise<void> }>(
  model: PretrainedModel,
  options: GeneratorOptions,
  programOf: (writer: OpenedWriter) => P,
): Promise<Opened<P>> {
  const { engine, dtype = "f32", quantize = "none" } = options;
  const issues = quantizeIssues(quantize, dtype);
  if (issues.length > 0) throw new ConfigError("generate", issues);
  const network = writingNetwork(model.module, { maskId: model.tokenizer.special.mask });
  const { newParameters = [] } = model as { readonly newParameters?: readonly string[] };
  if (network.order === "maskByMask" && newParameters.some((name) => name.startsWith("maskedLm."))) {
    const message = "the model has no trained head for masked words. Use a model as it was pre-trained.";
    throw new FirthError(message, { code: "MODEL_LACKS_HEAD", path: "generate" });
  }
  return openModel("writer", model, { engine, dtype, quantize }, (place) => programOf({ ...place, network }));
}

/**
 * Puts a model into an engine to write texts: GPT goes on from a prompt, BART, MASS and UniLM answer a source.
 * @throws {ConfigError} for wrong options; {FirthError} MODEL_CANNOT_WRITE
 */
export async function openGenerator(model: PretrainedModel, options: GeneratorOptions = {}): Promise<Generator> {
  const { tokenizer, family } = model;
  const { program: generator, dispose } = await openWriter(model, options, (place) => {
    return new TextGenerator({ program: new FeedProgram(place), tokenizer, framing: family.framing });
  });
  return {
    generate: (prompts, settings) => generator.generate(prompts, settings),
    stream: (prompt, settings) => generator.stream(prompt, settings),
    dispose,
  };
}

/**
 * Settings for a model directory: those given, over those of its `generation_config.json` where it has one.
 * @throws {ConfigError} all problems together
 */
export async function generationSettings(folder: string, given: GenerationInput = {}): Promise<GenerationInput> {
  const path = join(folder, "generation_config.json");
  return existsSync(path) ? settingsFromFile(await readJsonObject(path), given, path) : given;
}

/**
 * Texts for each prompt; for many calls open a generator once.
 * @throws {ConfigError} all problems together; {DataError} PROMPT_TOO_LONG; {FirthError} MODEL_CANNOT_WRITE
 */
export async function generate(
  model: PretrainedModel,
  prompts: readonly PromptInput[],
  options: GenerateOptions = {},
): Promise<GeneratedText[][]> {
  const { engine, dtype, quantize, ...settings } = options;
  const generator = await openGenerator(model, { engine, dtype, quantize });
  try {
    return await generator.generate(prompts, settings);
  } finally {
    await generator.dispose();
  }
}
