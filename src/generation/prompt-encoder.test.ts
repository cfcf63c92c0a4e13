import { expect, test } from "vitest";
import { gptFraming, robertaFraming } from "../models/framing.ts";
import { writingNetwork } from "./network.ts";
import { encodePrompts, type PromptInput } from "./prompt-encoder.ts";
import { MASK, START, testModel, testTokenizer, VOCAB } from "./testing.ts";

const plain = testTokenizer();
// The test tokenizer has cls alone for both ends.
const tokenizer = { ...plain, special: { ...plain.special, sep: 1 } };
const gpt = writingNetwork(testModel("gpt").model);
const bart = writingNetwork(testModel("bart").model);
const unilm = writingNetwork(testModel("unilm").model, { maskId: MASK });

const encode = (network: typeof gpt, inputs: readonly PromptInput[], startToken = false) =>
  encodePrompts(network, inputs, { tokenizer, startToken, framing: network === gpt ? gptFraming : robertaFraming });

test("texts become tokens to go on from or framed sources, ids stay as they are (bug: special tokens twice)", async () => {
  const ids = [...(await tokenizer.encodeIds(["ab"]))[0]!.ids];
  const rows = async (...given: Parameters<typeof encode>) =>
    (await encode(...given)).map(({ source, tokens }) => [[...source], [...tokens]]);
  expect(await rows(gpt, ["ab", [7, 8], ""])).toEqual([
    [[], ids],
    [[], [7, 8]],
    [[], [1]],
  ]);
  expect(await rows(gpt, ["ab", [7, 8]], true)).toEqual([
    [[], [1, ...ids]],
    [[], [7, 8]],
  ]);
  expect(await rows(bart, ["ab", [1, 7, 1]])).toEqual([
    [[1, ...ids, 1], [START]],
    [[1, 7, 1], [START]],
  ]);
  expect(await rows(unilm, ["ab", []])).toEqual([
    [[1, ...ids, 1], []],
    [[], []],
  ]);
});

test("what a network cannot read is refused by its place (bug: vectors read from behind the table, a source of no width)", async () => {
  const refused = (network: typeof gpt, input: PromptInput, code: string) =>
    expect(encode(network, ["a", input])).rejects.toMatchObject({ code, path: "prompts[1]" });
  for (const network of [gpt, bart, unilm]) {
    for (const id of [VOCAB, -1, 1.5, Number.NaN]) await refused(network, [5, id], "PROMPT_TOKEN_UNKNOWN");
    await refused(network, new Array<number>(97).fill(5), "PROMPT_TOO_LONG");
  }
  await refused(bart, [], "PROMPT_EMPTY");
  await expect(encode(gpt, [[5, 9, VOCAB]])).rejects.toThrow(
    "token 2 is 43; the model knows whole numbers from 0 to 42",
  );
});
