import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import {
  forcedToken,
  type LogitsProcessor,
  minNewTokens,
  noRepeatNgrams,
  repetitionPenalty,
  temperature,
  topK,
  topP,
} from "./logits-processor.ts";

interface Case {
  readonly name: string;
  readonly value: number;
  readonly tokens: readonly number[];
  readonly before: readonly number[];
  readonly after: readonly (number | "-Infinity")[];
}

const fixture = new URL("../../tests/fixtures/generation/processors.json", import.meta.url);
const { cases } = JSON.parse(readFileSync(fixture, "utf8")) as { readonly cases: readonly Case[] };
const processors: Readonly<Record<string, (value: number) => LogitsProcessor>> = {
  temperature,
  topK,
  topP,
  repetitionPenalty,
  noRepeatNgramSize: noRepeatNgrams,
};

test.each(cases)("$name $value as transformers computes it", ({ name, value, tokens, before, after }) => {
  const scores = Float32Array.from(before);
  processors[name]!(value)(scores, { tokens, numPromptTokens: 0 });
  const expected = after.map((score) => (score === "-Infinity" ? Number.NEGATIVE_INFINITY : score));
  // What is ruled out must be the same set, equal scores at the bound included.
  for (const [id, score] of expected.entries()) {
    if (score === Number.NEGATIVE_INFINITY) expect(scores[id], `token ${id}`).toBe(score);
    else expect(Math.abs(scores[id]! - score), `token ${id}`).toBeLessThan(1e-6 * (1 + Math.abs(score)));
  }
});

test("topP looks as far as it must where a vocabulary is flat", () => {
  // A search that stops at a bound too high would keep too few.
  const scores = new Float32Array(20_000).map((_, i) => (i === 7 ? 5 : -0.001 * i));
  const total = scores.reduce((sum, score) => sum + Math.exp(score), 0);
  topP(0.9)(scores, { tokens: [], numPromptTokens: 0 });
  const kept = scores.filter((score) => score > Number.NEGATIVE_INFINITY).map((score) => Math.exp(score) / total);
  const share = kept.reduce((sum, x) => sum + x, 0);
  expect(share).toBeGreaterThanOrEqual(0.9);
  expect(share - Math.min(...kept)).toBeLessThan(0.9 + 1e-6);
});

test("new tokens are counted without the prompt's", () => {
  const none = Number.NEGATIVE_INFINITY;
  const text = { tokens: [1, 1, 1, 2], numPromptTokens: 3 };
  const run = (process: LogitsProcessor) => {
    const scores = Float32Array.of(1, 2, 3);
    process(scores, text);
    return [...scores];
  };
  expect(run(minNewTokens(2, [0, 2]))).toEqual([none, 2, none]);
  expect(run(minNewTokens(1, [0, 2]))).toEqual([1, 2, 3]);
  expect(run(forcedToken(1, 1))).toEqual([none, 0, none]);
  expect(run(forcedToken(1, 0))).toEqual([1, 2, 3]);
});
