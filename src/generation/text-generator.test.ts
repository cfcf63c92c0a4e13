import { afterAll, expect, test } from "vitest";
import { createOnnxBackend } from "../backend/onnx/onnx-backend.ts";
import { gptFraming } from "../models/framing.ts";
import { FixedWeights } from "../train/fixed-weights.ts";
import { FeedProgram } from "./feed-program.ts";
import type { LogitsProcessor } from "./logits-processor.ts";
import { writingNetwork } from "./network.ts";
import { testModel, testTokenizer, VOCAB } from "./testing.ts";
import { type GeneratedText, type GenerateSettings, TextGenerator } from "./text-generator.ts";

const engine = await createOnnxBackend({ threads: 1 });
const { model, weights } = testModel("gpt");
const store = new FixedWeights(engine, model, weights);
const network = writingNetwork(model);
const program = new FeedProgram({ backend: engine, store, network, policy: { compute: "f32" } });
const tokenizer = testTokenizer();
const generator = new TextGenerator({ program, tokenizer, framing: gptFraming });
afterAll(async () => {
  await generator.dispose();
  store.dispose();
  await engine.dispose();
});

/** The text of one prompt. */
const only = (texts: readonly (readonly GeneratedText[])[]): GeneratedText => texts[0]![0]!;

/** Writes given tokens, then the end. */
const script =
  (tokens: readonly number[]): LogitsProcessor =>
  (scores, text) => {
    scores.fill(Number.NEGATIVE_INFINITY);
    scores[tokens[text.tokens.length - text.numPromptTokens] ?? 4] = 0;
  };

const scripted = async (text: string): Promise<LogitsProcessor> => {
  const [encoded] = await tokenizer.encodeIds([text]);
  return script([...encoded!.ids]);
};

test("streams are the whole text in pieces, whatever bytes are drawn, and never half a character", async () => {
  for (let seed = 0; seed < 12; seed++) {
    const settings = { doSample: true, temperature: 3, seed, maxNewTokens: 24, stopStrings: ["é€", "b "] };
    const pieces: string[] = [];
    const stream = generator.stream("ab", settings);
    let step = await stream.next();
    for (; step.done !== true; step = await stream.next()) pieces.push(step.value);
    const whole = only(await generator.generate(["ab"], settings));
    expect(pieces.join("")).toBe(whole.text);
    expect(step.value.text).toBe(whole.text);
    // Half a character would have come out as a replacement at the border of two pieces.
    const ids = step.value.tokens;
    const plain = await tokenizer.decode(ids);
    expect(plain.startsWith(whole.text)).toBe(true);
    for (const piece of pieces) expect(piece).not.toBe("");
  }
});

test("a text ends before a stop string, though it comes in parts of tokens and characters", async () => {
  const processors = [await scripted("ab €好ax")];
  const text = only(await generator.generate(["a"], { processors, stopStrings: ["x", "€好"] }));
  expect(text.text).toBe("ab ");
  expect(text.finishReason).toBe("stopString");
  // The stop string's last byte is the last token: nothing is written after it.
  expect(text.tokens).toHaveLength(Buffer.from("ab €好").length);
  // What looked like a stop string and was none is told when that is known.
  const almost = [await scripted("ab €a")];
  const pieces: string[] = [];
  for await (const piece of generator.stream("a", { processors: almost, stopStrings: ["€好"] })) pieces.push(piece);
  expect(pieces.join("")).toBe("ab €a");
  expect(pieces).not.toContain("€");
});

test("a text's draws are its own: neither its neighbours nor the batch size change it", async () => {
  const settings = { doSample: true, temperature: 1.5, topP: 0.9, seed: 5, maxNewTokens: 12, numReturnSequences: 2 };
  const prompts = ["a", "bc😀 aae", "éé", "aeaeae bc", "x"];
  const together = await generator.generate(prompts, { ...settings, batchSize: 16 });
  const apart = await generator.generate(prompts, { ...settings, batchSize: 2 });
  expect(apart.map((texts) => texts.map(({ tokens }) => tokens))).toEqual(
    together.map((texts) => texts.map(({ tokens }) => tokens)),
  );
  // Two texts of one prompt differ, and so do those of another seed.
  expect(together.some(([first, second]) => `${first!.tokens}` !== `${second!.tokens}`)).toBe(true);
  const other = await generator.generate(prompts, { ...settings, seed: 6 });
  expect(JSON.stringify(other)).not.toBe(JSON.stringify(together));
});

test("tokens are drawn as often as their probabilities say", async () => {
  const shares = [0.5, 0.2, 0.15, 0.1, 0.05];
  const fixed: LogitsProcessor = (scores) => {
    scores.fill(Number.NEGATIVE_INFINITY);
    for (const [i, share] of shares.entries()) scores[5 + 3 * i] = Math.log(share) + 7;
  };
  const counts = new Map<number, number>();
  const [texts] = await generator.generate(["a"], {
    ...{ doSample: true, seed: 1, maxNewTokens: 40, numReturnSequences: 64, batchSize: 64 },
    processors: [fixed],
  });
  for (const { tokens } of texts!) for (const token of tokens) counts.set(token, (counts.get(token) ?? 0) + 1);
  const total = 64 * 40;
  const statistic = shares.reduce((sum, share, i) => {
    return sum + ((counts.get(5 + 3 * i) ?? 0) - share * total) ** 2 / (share * total);
  }, 0);
  // χ² with 4 degrees of freedom exceeds 18.5 once in a thousand seeds.
  expect(statistic).toBeLessThan(18.5);
  expect([...counts.values()].reduce((sum, count) => sum + count, 0)).toBe(total);
});

test("log-probabilities are the network's own, of every new token", async () => {
  const greedy = only(
    await generator.generate(["abc"], {
      maxNewTokens: 5,
      logProbabilities: true,
      minNewTokens: 5,
    }),
  );
  const beam = only(
    await generator.generate(["abc"], {
      maxNewTokens: 5,
      logProbabilities: true,
      minNewTokens: 5,
      numBeams: 3,
      lengthPenalty: 0,
    }),
  );
  expect(greedy.logProbabilities!).toHaveLength(5);
  for (const value of greedy.logProbabilities!) expect(value).toBeLessThanOrEqual(0);
  const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
  expect(sum(beam.logProbabilities!)).toBeCloseTo(beam.score!, 5);
  // A search that follows more texts does not end with a less likely one here.
  expect(beam.score!).toBeGreaterThanOrEqual(sum(greedy.logProbabilities!) - 1e-6);
});

test("bad requests are refused before anything is computed, all problems together", async () => {
  const refused = (settings: GenerateSettings, problem: RegExp) =>
    expect(generator.generate(["a"], settings)).rejects.toThrow(problem);
  await refused({ numBeams: 0 }, /numBeams: must be an integer ≥ 1/);
  await refused({ doSample: true, topP: 1.5 }, /topP/);
  await refused({ doSample: true, topP: 0 }, /above 0/);
  await refused({ temperature: 0.5 }, /doSample/);
  await refused({ numBeams: 2, numReturnSequences: 3 }, /at most numBeams/);
  await expect(generator.generate(["a".repeat(97)])).rejects.toMatchObject({ code: "PROMPT_TOO_LONG" });
  await refused({ signal: AbortSignal.abort(new Error("stopped by the caller")) }, /stopped by the caller/);
  // There is room for one token less than positions.
  const last = only(await generator.generate(["a".repeat(95)], {}));
  expect(last.tokens).toHaveLength(1);
});

test("leaving a stream ends the writing", async () => {
  let steps = 0;
  const count: LogitsProcessor = () => {
    steps++;
  };
  const processors = [await scripted("abcabcabcabcabcabcabcabcabcabc"), count];
  for await (const _ of generator.stream("a", { processors })) break;
  expect(steps).toBeLessThan(6);
  expect(VOCAB).toBeGreaterThan(40);
});
