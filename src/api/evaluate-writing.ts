import { type BleuScore, corpusBleu, meanRouge, type RougeScores } from "../evaluation/index.ts";
import type { TextPairData } from "../tasks/sequence-to-sequence-data.ts";
import { type GenerateOptions, openGenerator } from "./generate.ts";
import type { PretrainedModel } from "./model.ts";

/** A source, what should be written for it, and what was. */
export interface WrittenPair {
  readonly source: string;
  readonly target: string;
  readonly written: string;
}

/** Figures of written texts beside their targets. */
export interface WritingEvaluation {
  readonly bleu: BleuScore;
  readonly rouge: RougeScores<"rouge1" | "rouge2" | "rougeL">;
  readonly pairs: readonly WrittenPair[];
}

export interface EvaluateWritingOptions extends GenerateOptions {
  /** Pairs that are written for, from the front; all by default. */
  readonly count?: number | undefined;
}

/**
 * Writes targets for the sources of held-out pairs, and counts BLEU and ROUGE. Sources that were cut are given as they were
 * cut.
 * @param data at least one pair
 * @throws {ConfigError} for wrong options; {FirthError} MODEL_CANNOT_WRITE
 */
export async function evaluateWriting(
  model: PretrainedModel,
  data: TextPairData,
  options: EvaluateWritingOptions = {},
): Promise<WritingEvaluation> {
  const { count = data.pairs.length, engine, dtype, quantize, ...settings } = options;
  const { tokenizer } = model;
  const sources = data.sources.slice(0, count);
  const encoded = await tokenizer.encodeIds(sources);
  const prompts = await Promise.all(
    sources.map((text, i) => {
      const { source } = data.pairs[i]!;
      return source.length === encoded[i]!.ids.length ? text : tokenizer.decode(source);
    }),
  );
  const generator = await openGenerator(model, { engine, dtype, quantize });
  try {
    const texts = await generator.generate(prompts, settings);
    const pairs = sources.map((source, i) => {
      return { source, target: data.targets[i]!, written: texts[i]![0]!.text.trim() };
    });
    const [written, targets] = [pairs.map((pair) => pair.written), pairs.map((pair) => pair.target)];
    return {
      bleu: corpusBleu(
        written,
        targets.map((target) => [target]),
      ),
      rouge: meanRouge(written, targets, { kinds: ["rouge1", "rouge2", "rougeL"] }),
      pairs,
    };
  } finally {
    await generator.dispose();
  }
}
