import { afterAll, describe, expect, test } from "vitest";
import { createOnnxBackend } from "../backend/onnx/onnx-backend.ts";
import { createReferenceBackend } from "../backend/reference/reference-backend.ts";
import { gptFraming, robertaFraming } from "../models/framing.ts";
import { FixedWeights } from "../train/fixed-weights.ts";
import { writingNetwork } from "./network.ts";
import { likeliest, optionLikelihoods } from "./option-likelihood.ts";
import { perplexityOf, perplexityWindows } from "./perplexity.ts";
import { MASK, plainNext, START, testModel, testPrompt, testTokenizer } from "./testing.ts";
import { TokenScorer } from "./token-scorer.ts";

const reference = createReferenceBackend();
const onnx = await createOnnxBackend({ threads: 1 });
afterAll(async () => {
  await reference.dispose();
  await onnx.dispose();
});

/** log p of the token after a prompt, computed by itself. */
function logProbability(logits: Float32Array, token: number): number {
  const total = logits.reduce((sum, x) => sum + Math.exp(x), 0);
  return logits[token]! - Math.log(total);
}

describe.each(["gpt", "bart"] as const)("%s", (kind) => {
  const tested = testModel(kind);
  const network = writingNetwork(tested.model);
  const store = new FixedWeights(onnx, tested.model, tested.weights);
  const options = { backend: onnx, store, network, policy: { compute: "f32" } as const, padId: 0, batchSize: 3 };
  const scorer = new TokenScorer(options);
  afterAll(async () => {
    await scorer.dispose();
    store.dispose();
  });

  test("tokens are scored by what stands before them, in batches of any lengths", async () => {
    const prompts = [
      testPrompt(kind, 1, 6, 5),
      testPrompt(kind, 2, 3, 9),
      testPrompt(kind, 3, 8, 3),
      testPrompt(kind, 4, 2, 7),
    ];
    const starts = [2, 8, 1, 4];
    const scores = await scorer.score(prompts.map((prompt, i) => ({ ...prompt, start: starts[i]! })));
    for (const [i, { source, tokens }] of prompts.entries()) {
      expect(scores[i]).toHaveLength(tokens.length - starts[i]!);
      for (let at = starts[i]!; at < tokens.length; at++) {
        const plain = await plainNext(reference, kind, tested, { source, tokens: tokens.subarray(0, at) });
        // A label one place off, or another text's, would be far from this.
        expect(scores[i]![at - starts[i]!]).toBeCloseTo(logProbability(plain, tokens[at]!), 4);
      }
    }
  });

  test("options are what follows the context, their likelihoods are sums and means", async () => {
    const tokenizer = testTokenizer();
    const framing = kind === "gpt" ? gptFraming : robertaFraming;
    const questions = [
      { context: "ab", options: ["a", "bcé", " x"] },
      { context: "é b", options: ["c", "ae"] },
    ];
    // The test tokenizer has cls alone for both ends.
    const special = { ...tokenizer.special, sep: 1 };
    const encoding = { tokenizer: { ...tokenizer, special }, framing, startToken: false };
    const found = await optionLikelihoods(scorer, network, questions, encoding);
    expect(found.map((list) => list.map(({ option }) => option))).toEqual(questions.map(({ options: list }) => list));
    for (const [question, { context, options: list }] of questions.entries()) {
      for (const [i, option] of list.entries()) {
        const [first, last] = await tokenizer.encodeIds([context, option]);
        const isGpt = kind === "gpt";
        const source = isGpt ? new Int32Array() : Int32Array.of(1, ...first!.ids, 1);
        const begin = isGpt ? [...first!.ids] : [START];
        const scored = isGpt ? [...last!.ids] : [1, ...last!.ids, 1];
        let sum = 0;
        for (const [at, token] of scored.entries()) {
          const tokens = Int32Array.of(...begin, ...scored.slice(0, at));
          sum += logProbability(await plainNext(reference, kind, tested, { source, tokens }), token);
        }
        const likelihood = found[question]![i]!;
        expect(likelihood.logLikelihood).toBeCloseTo(sum, 3);
        expect(likelihood.numTokens).toBe(scored.length);
        expect(likelihood.perToken).toBeCloseTo(sum / scored.length, 3);
        expect(likelihood.perCharacter).toBeCloseTo(sum / [...option].length, 3);
      }
    }
    await expect(
      scorer.score([{ source: new Int32Array(), tokens: Int32Array.of(5, 99), start: 1 }]),
    ).rejects.toMatchObject({ code: "PROMPT_TOKEN_UNKNOWN", path: "texts[0]" });
    const open = [...questions, { context: "ab", options: [] }];
    await expect(optionLikelihoods(scorer, network, open, encoding)).rejects.toMatchObject({
      code: "OPTIONS_MISSING",
      path: "questions[2]",
    });
    const nothing = [{ context: "ab", options: [""] }];
    if (kind === "gpt") {
      await expect(optionLikelihoods(scorer, network, nothing, encoding)).rejects.toMatchObject({
        code: "OPTION_EMPTY",
      });
      const long = [{ context: "a".repeat(120), options: ["b"] }];
      await expect(optionLikelihoods(scorer, network, long, encoding)).rejects.toMatchObject({
        code: "PROMPT_TOO_LONG",
      });
    }
  });
});

test("perplexity by windows scores every token but the first once, with the context that the stride leaves", async () => {
  const tested = testModel("gpt");
  const network = writingNetwork(tested.model);
  const store = new FixedWeights(onnx, tested.model, tested.weights);
  const scorer = new TokenScorer({ backend: onnx, store, network, policy: { compute: "f32" }, padId: 0, batchSize: 2 });
  const { tokens } = testPrompt("gpt", 9, 0, 17);
  for (const [maxLength, stride] of [
    [8, 3],
    [8, 7],
    [30, 5],
    [2, 1],
  ] as const) {
    // The documentation's loop: begins by the stride, targets behind the last window's end.
    let [total, previousEnd] = [0, 0];
    for (let begin = 0; begin < tokens.length; begin += stride) {
      const end = Math.min(begin + maxLength, tokens.length);
      for (let at = Math.max(begin + 1, previousEnd); at < end; at++) {
        const context = { source: new Int32Array(), tokens: tokens.subarray(begin, at) };
        total -= logProbability(await plainNext(reference, "gpt", tested, context), tokens[at]!);
      }
      previousEnd = end;
      if (end === tokens.length) break;
    }
    const found = await perplexityOf(scorer, network, { tokens, numBytes: 20 }, { maxLength, stride });
    expect(found.numTokens).toBe(16);
    expect(found.nll).toBeCloseTo(total / 16, 4);
    expect(found.perplexity).toBeCloseTo(Math.exp(total / 16), 1);
    expect(found.bitsPerByte).toBeCloseTo(total / Math.log(2) / 20, 4);
  }
  await expect(perplexityOf(scorer, network, { tokens, numBytes: 20 }, { stride: 96 })).rejects.toThrow(/stride/);
  await expect(perplexityOf(scorer, network, { tokens: tokens.subarray(0, 1), numBytes: 1 })).rejects.toMatchObject({
    code: "TEXT_TOO_SHORT",
  });
  await scorer.dispose();
  store.dispose();
});

test("windows of any text cover it once", () => {
  for (let length = 2; length < 40; length++) {
    for (const [maxLength, stride] of [
      [5, 1],
      [5, 4],
      [16, 8],
      [64, 32],
    ] as const) {
      const scored = perplexityWindows(
        Int32Array.from({ length }, (_, i) => i),
        maxLength,
        stride,
      ).flatMap(({ tokens, start }) => [...tokens.subarray(start)]);
      expect(scored).toEqual(Array.from({ length: length - 1 }, (_, i) => i + 1));
    }
  }
});

test("masks have no likelihood of texts", () => {
  const { model, weights } = testModel("unilm");
  const store = new FixedWeights(onnx, model, weights);
  const network = writingNetwork(model, { maskId: MASK });
  const options = { backend: onnx, store, network, policy: { compute: "f32" } as const, padId: 0, batchSize: 1 };
  expect(() => new TokenScorer(options)).toThrow(expect.objectContaining({ code: "MODEL_CANNOT_SCORE" }));
  store.dispose();
});

test("of equal options the first is likeliest, and the normalization decides", () => {
  const option = (logLikelihood: number, numTokens: number, characters: number) => ({
    ...{ option: "", logLikelihood, numTokens },
    perToken: logLikelihood / numTokens,
    perCharacter: logLikelihood / characters,
  });
  const options = [option(-4, 1, 8), option(-6, 4, 6), option(-4, 1, 8), option(-9, 3, 20)];
  expect(likeliest(options, "none")).toBe(0);
  expect(likeliest(options, "token")).toBe(1);
  expect(likeliest(options, "character")).toBe(3);
});
