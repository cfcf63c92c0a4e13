import { ConfigError, type ConfigIssue } from "../base/errors.ts";
import { Turns } from "../base/turns.ts";
import type { Framing } from "../models/framing.ts";
import type { Tokenizer } from "../tokenizers/tokenizer.ts";
import { beamSearch } from "./beam-search.ts";
import type { FeedProgram } from "./feed-program.ts";
import { type LogitsProcessor, processorsFor } from "./logits-processor.ts";
import { encodePrompts, type PromptInput, promptLength } from "./prompt-encoder.ts";
import { type GenerationInput, type GenerationSettings, generationTable, idleSettings } from "./settings.ts";
import { TextTail } from "./text-tail.ts";
import { writeTexts } from "./write-texts.ts";
import type { WritingPrompt } from "./writing-rows.ts";
import type { FinishReason, WrittenTokens } from "./written-text.ts";

/** A text that was written. */
export interface GeneratedText {
  /** What follows the prompt, or answers the source; without special tokens, and ending before a stop string. */
  readonly text: string;
  /** New tokens, that which ended the text included. */
  readonly tokens: readonly number[];
  readonly finishReason: FinishReason;
  /** Of a beam search: sum of the logarithms of probabilities over length to the power of `lengthPenalty`. */
  readonly score?: number;
  /** Of each new token, in nats; only where asked for. By the network alone, in a beam search as processors left them. */
  readonly logProbabilities?: readonly number[];
}

/** What may be asked of each call. */
export interface GenerateSettings extends GenerationInput {
  /** Texts written side by side; 8 by default. */
  readonly batchSize?: number | undefined;
  /** Applied to the scores of every next token, after the settings' own and before sampling's. */
  readonly processors?: readonly LogitsProcessor[] | undefined;
  /** Whether prompts begin with the token that begins texts; false by default, as transformers' GPT-2. */
  readonly startToken?: boolean | undefined;
  readonly logProbabilities?: boolean | undefined;
  /** Ends the writing; the call then throws the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

export interface TextGeneratorOptions {
  readonly program: FeedProgram;
  readonly tokenizer: Tokenizer;
  readonly framing: Framing;
}

interface Resolved {
  readonly settings: GenerationSettings;
  readonly eosTokenIds: readonly number[];
  readonly processors: readonly LogitsProcessor[];
  readonly batchSize: number;
  readonly given: GenerateSettings;
}

/** Tokens of the prompt that text after it is decoded with, so that spaces between words come out right. */
const CONTEXT = 8;

/** Writes texts with a network whose weights lie in an engine. A second call waits for the first. */
export class TextGenerator {
  private readonly options: TextGeneratorOptions;
  private readonly turns = new Turns();

  constructor(options: TextGeneratorOptions) {
    this.options = options;
  }

  /**
   * Texts for each prompt, `numReturnSequences` of them, the best first in a beam search.
   * @throws {ConfigError} all problems together; {DataError} PROMPT_TOO_LONG
   */
  async generate(prompts: readonly PromptInput[], given: GenerateSettings = {}): Promise<GeneratedText[][]> {
    const resolved = this.resolve(given);
    return this.turns.run(() => this.write(prompts, resolved));
  }

  /**
   * The text for one prompt while it is written: pieces that never end inside a character nor hold a part of a stop string.
   * What the generator returns at last is the whole. Leaving the loop ends the writing.
   * @throws {ConfigError} all problems together; {DataError} PROMPT_TOO_LONG
   */
  async *stream(prompt: PromptInput, given: GenerateSettings = {}): AsyncGenerator<string, GeneratedText, void> {
    const resolved = this.resolve(given);
    if (resolved.settings.numBeams > 1 || resolved.settings.numReturnSequences > 1) {
      const message = "a text that is streamed must be one; set numBeams and numReturnSequences to 1.";
      throw new ConfigError("generate", [{ path: "numBeams", message, code: "CONFIG_AMBIGUOUS" }]);
    }
    const left = new AbortController();
    const signal = given.signal === undefined ? left.signal : AbortSignal.any([given.signal, left.signal]);
    const pieces: string[] = [];
    let wake: () => void = () => undefined;
    const onText = (piece: string): void => {
      pieces.push(piece);
      wake();
    };
    let isDone = false;
    const whole = this.turns
      .run(() => this.write([prompt], { ...resolved, given: { ...given, signal } }, onText))
      .finally(() => {
        isDone = true;
        wake();
      });
    whole.catch(() => undefined);
    try {
      while (true) {
        const ready = pieces.splice(0).join("");
        if (ready !== "") yield ready;
        else if (isDone) return (await whole)[0]![0]!;
        else {
          await new Promise<void>((resolve) => {
            wake = resolve;
            if (isDone || pieces.length > 0) resolve();
          });
        }
      }
    } finally {
      left.abort();
      await whole.catch(() => undefined);
    }
  }

  async dispose(): Promise<void> {
    await this.turns.idle();
    await this.options.program.dispose();
  }

  private resolve(given: GenerateSettings): Resolved {
    const { batchSize = 8, processors = [], startToken: _, logProbabilities: __, signal: ___, ...input } = given;
    const { settings, issues } = checked(input, this.options.program.network.vocabSize);
    if (!(Number.isInteger(batchSize) && batchSize >= 1)) {
      const message = `must be a whole number ≥ 1; got ${batchSize}.`;
      issues.push({ path: "batchSize", message, code: "CONFIG_RANGE" });
    }
    if (settings === undefined || issues.length > 0) throw new ConfigError("generate", issues);
    const { eos, sep } = this.options.tokenizer.special;
    const ends = eos ?? sep;
    const eosTokenIds = settings.eosTokenIds ?? (ends === undefined ? [] : [ends]);
    return { settings, eosTokenIds, processors: processorsFor(settings, eosTokenIds, processors), batchSize, given };
  }

  private async write(
    texts: readonly PromptInput[],
    resolved: Resolved,
    onText?: (piece: string) => void,
  ): Promise<GeneratedText[][]> {
    const { program, tokenizer, framing } = this.options;
    const { settings, batchSize, given } = resolved;
    const { startToken = false } = given;
    const prompts = await encodePrompts(program.network, texts, { tokenizer, framing, startToken });
    // Prompts of like length share a batch, so that little is computed for nothing.
    const order = [...prompts.keys()].sort((a, b) => lengthOf(prompts[a]!) - lengthOf(prompts[b]!) || a - b);
    const perPrompt = settings.numBeams > 1 ? settings.numBeams : settings.numReturnSequences;
    const size = Math.max(1, Math.floor(batchSize / perPrompt));
    const results = new Array<GeneratedText[]>(texts.length);
    for (let at = 0; at < order.length; at += size) {
      const items = order.slice(at, at + size);
      const written =
        settings.numBeams > 1
          ? await this.search(prompts, items, resolved)
          : await this.writeOn(prompts, items, resolved, onText);
      items.forEach((item, i) => {
        results[item] = written[i]!.map((text) => this.result(prompts[item]!, text, resolved));
      });
    }
    return results;
  }

  /** Most new tokens that are asked for and have room. */
  private room(prompt: WritingPrompt, { settings }: Resolved): number {
    const { network } = this.options.program;
    return Math.min(settings.maxNewTokens, network.maxPositions - promptLength(network, prompt));
  }

  /** A text's end as it is written; words follow the prompt's where the text does. */
  private tail({ tokens }: WritingPrompt, stopStrings: readonly string[]): TextTail {
    const stream = this.options.tokenizer.stream();
    if (this.options.program.network.order === "leftToRight") {
      for (const token of tokens.subarray(-CONTEXT)) stream.push(token);
    }
    return new TextTail(stream, stopStrings);
  }

  private async writeOn(
    prompts: readonly WritingPrompt[],
    items: readonly number[],
    resolved: Resolved,
    onText: ((piece: string) => void) | undefined,
  ): Promise<WrittenTokens[][]> {
    const { settings, eosTokenIds, processors, given } = resolved;
    const { doSample, seed, numReturnSequences: count, stopStrings } = settings;
    const requests = items.flatMap((item) =>
      Array.from({ length: count }, (_, i) => {
        const prompt = prompts[item]!;
        const tail = this.tail(prompt, stopStrings);
        const onToken = (token: number) => {
          if (eosTokenIds.includes(token)) return "eos";
          const { text, isStopped } = tail.push(token);
          if (text !== "") onText?.(text);
          return isStopped ? "stopString" : undefined;
        };
        return { prompt, tail, sequence: item * count + i, maxNewTokens: this.room(prompt, resolved), onToken };
      }),
    );
    const choice = {
      processors,
      doSample,
      seed,
      logProbabilities: given.logProbabilities ?? false,
      signal: given.signal,
    };
    const written = await writeTexts(this.options.program, requests, choice);
    for (const [i, { tail }] of requests.entries()) {
      const rest = written[i]!.finishReason === "stopString" ? "" : tail.end().text;
      if (rest !== "") onText?.(rest);
    }
    return items.map((_, i) => written.slice(i * count, (i + 1) * count));
  }

  private search(
    prompts: readonly WritingPrompt[],
    items: readonly number[],
    resolved: Resolved,
  ): Promise<WrittenTokens[][]> {
    const { settings, eosTokenIds, processors, given } = resolved;
    const { stopStrings } = settings;
    const requests = items.map((item) => {
      const prompt = prompts[item]!;
      const stop = (tokens: readonly number[]) => {
        if (eosTokenIds.includes(tokens.at(-1)!)) return "eos";
        if (stopStrings.length === 0) return undefined;
        const tail = this.tail(prompt, stopStrings);
        return tokens.some((token) => tail.push(token).isStopped) ? "stopString" : undefined;
      };
      return { prompt, maxNewTokens: this.room(prompt, resolved), stop };
    });
    const { numBeams, lengthPenalty, earlyStopping, numReturnSequences } = settings;
    const choice = { numBeams, lengthPenalty, earlyStopping, numReturnSequences, processors };
    return beamSearch(this.options.program, requests, {
      ...choice,
      numEosTokens: eosTokenIds.length,
      signal: given.signal,
    });
  }

  private result(
    prompt: WritingPrompt,
    written: WrittenTokens,
    { settings, eosTokenIds, given }: Resolved,
  ): GeneratedText {
    const { tokens, finishReason, logProbabilities, score } = written;
    const tail = this.tail(prompt, settings.stopStrings);
    let text = "";
    let isStopped = false;
    for (const token of tokens) {
      if (isStopped || eosTokenIds.includes(token)) break;
      const piece = tail.push(token);
      text += piece.text;
      isStopped = piece.isStopped;
    }
    if (!isStopped) text += tail.end().text;
    return {
      text,
      tokens,
      finishReason,
      ...(score === undefined ? {} : { score }),
      ...(given.logProbabilities === true ? { logProbabilities } : {}),
    };
  }
}

const lengthOf = ({ source, tokens }: WritingPrompt): number => source.length + tokens.length;

/** Settings with every default filled in, where they can be, and all that is wrong with them. */
function checked(
  input: GenerationInput,
  vocabSize: number,
): { readonly settings: GenerationSettings | undefined; readonly issues: ConfigIssue[] } {
  const issues = idleSettings(input);
  try {
    const settings = generationTable.resolve(input);
    for (const path of ["forcedBosTokenId", "forcedEosTokenId"] as const) {
      const id = settings[path] ?? 0;
      // Otherwise every token would be ruled out.
      const message = `must be below the model's vocabulary, ${vocabSize}; got ${id}.`;
      if (id >= vocabSize) issues.push({ path, message, code: "CONFIG_RANGE" });
    }
    return { settings, issues };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return { settings: undefined, issues: [...issues, ...error.issues] };
  }
}
