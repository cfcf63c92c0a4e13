/** @file Writing texts token by token: the likeliest each, or one drawn by its probability. */
import { Random } from "../base/random.ts";
import { rowBucket } from "./bucket.ts";
import type { FeedProgram } from "./feed-program.ts";
import type { LogitsProcessor } from "./logits-processor.ts";
import { argmax, logSumExp, placeAt, requireToken } from "./score.ts";
import { type WritingPrompt, WritingRows } from "./writing-rows.ts";
import type { FinishReason, WrittenTokens } from "./written-text.ts";

/** One text to write. */
export interface TextRequest {
  readonly prompt: WritingPrompt;
  /** Number of the text: with the seed it decides the draws. */
  readonly sequence: number;
  /** Most new tokens. */
  readonly maxNewTokens: number;
  /** Looks at each new token; says why the text ends, if it does. */
  readonly onToken: (token: number) => Exclude<FinishReason, "length"> | undefined;
}

export interface WritingChoice {
  readonly processors: readonly LogitsProcessor[];
  /** Whether tokens are drawn; else the likeliest are taken. */
  readonly doSample: boolean;
  readonly seed: number;
  /** Whether `logProbabilities` are wanted: they take a pass over the scores. */
  readonly logProbabilities: boolean;
  readonly signal?: AbortSignal | undefined;
}

interface Writing {
  readonly request: TextRequest;
  readonly index: number;
  /** Prompt and new tokens. */
  readonly tokens: number[];
  readonly numPromptTokens: number;
  readonly logProbabilities: number[];
}

/** The next token of a text by its scores, which may be changed. */
function choose(scores: Float32Array, writing: Writing, choice: WritingChoice): number {
  const { doSample, seed, processors, logProbabilities } = choice;
  const raw = logProbabilities ? scores.slice() : scores;
  for (const process of processors) process(scores, writing);
  const step = writing.tokens.length - writing.numPromptTokens;
  const token = doSample
    ? placeAt(new Random(seed, "token", writing.request.sequence, step).next(), scores)
    : argmax(scores);
  requireToken(scores[token]);
  if (logProbabilities) writing.logProbabilities.push(raw[token]! - logSumExp(raw));
  return token;
}

/**
 * Writes texts side by side; a text that ends leaves its row. Every token drawn is a function of (seed, number of the text,
 * step), so a text does not depend on those beside it.
 */
export async function writeTexts(
  program: FeedProgram,
  requests: readonly TextRequest[],
  choice: WritingChoice,
): Promise<WrittenTokens[]> {
  const results = new Array<WrittenTokens>(requests.length);
  let live = requests.map((request, index): Writing => {
    const tokens = [...request.prompt.tokens];
    return { request, index, tokens, numPromptTokens: tokens.length, logProbabilities: [] };
  });
  const lengthOf = ({ prompt, maxNewTokens }: TextRequest) => {
    const before = program.network.order === "maskByMask" ? prompt.source.length : 0;
    return before + prompt.tokens.length + maxNewTokens;
  };
  // Several texts may go on from one prompt, which is read once.
  const prompts = [...new Set(requests.map(({ prompt }) => prompt))];
  const rows = await WritingRows.begin(program, prompts, Math.max(...requests.map(lengthOf)));
  try {
    if (prompts.length < requests.length) rows.select(requests.map(({ prompt }) => prompts.indexOf(prompt)));
    while (true) {
      choice.signal?.throwIfAborted();
      const kept: number[] = [];
      for (const [row, writing] of live.entries()) {
        const token = choose(rows.logits(row), writing, choice);
        writing.tokens.push(token);
        const written = writing.tokens.length - writing.numPromptTokens;
        const reason = writing.request.onToken(token);
        const finishReason = reason ?? (written >= writing.request.maxNewTokens ? "length" : undefined);
        if (finishReason === undefined) {
          kept.push(row);
          continue;
        }
        const { logProbabilities, numPromptTokens, index } = writing;
        results[index] = { tokens: writing.tokens.slice(numPromptTokens), finishReason, logProbabilities };
      }
      if (kept.length === 0) return results;
      if (rowBucket(kept.length) < rowBucket(live.length)) {
        rows.select(kept);
        live = kept.map((row) => live[row]!);
      } else if (kept.length < live.length) {
        // Rows that ended go on unread where moving the others would save nothing.
        live = closeRanks(rows, live, kept);
      }
      await rows.feed(live.map(({ tokens }) => [tokens.at(-1)!]));
    }
  } finally {
    rows.dispose();
  }
}

/** Fills the rows of ended texts with the last ones. */
function closeRanks(rows: WritingRows, live: readonly Writing[], kept: readonly number[]): Writing[] {
  const order = kept.filter((row) => row < kept.length);
  const late = kept.filter((row) => row >= kept.length);
  const parents = Array.from({ length: kept.length }, (_, row) => (order.includes(row) ? row : late.pop()!));
  rows.select(parents);
  return parents.map((parent) => live[parent]!);
}
