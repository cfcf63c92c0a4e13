import { describe, expect, test } from "vitest";
import { bertFraming, gptFraming, robertaFraming } from "../models/framing.ts";
import { frameOf, tokenTypes } from "./frame.ts";

const special = { pad: 0, unk: 1, cls: 2, sep: 3, mask: 4, bos: 5, eos: 6 };
const texts = [Int32Array.of(10, 11), Int32Array.of(12)];

describe("a pair in each framing (would catch a lost separator, or segments typed where the network has no types)", () => {
  test.each([
    ["bert", bertFraming, [2, 10, 11, 3, 12, 3], [0, 0, 0, 0, 1, 1]],
    ["roberta", robertaFraming, [2, 10, 11, 3, 3, 12, 3], [0, 0, 0, 0, 0, 0, 0]],
    ["gpt", gptFraming, [5, 10, 11, 3, 12, 2], [0, 0, 0, 0, 0, 0]],
  ])("%s", (_name, framing, tokens, types) => {
    const frame = frameOf(framing, { special }, "test");
    const pair = frame.join(texts);
    expect([...pair.tokens]).toEqual(tokens);
    expect([...tokenTypes(pair)]).toEqual(types);
    expect(tokens[pair.firstStart]).toBe(10);
    expect(tokens[pair.secondStart]).toBe(12);
    expect(frame.overhead(2)).toBe(tokens.length - 3);
    const single = frame.join(texts.slice(0, 1));
    expect([single.tokens.length, single.secondStart]).toEqual([2 + frame.overhead(1), single.tokens.length]);
    expect([...tokenTypes(single)]).toEqual(new Array(single.tokens.length).fill(0));
  });
});

test("the token that sums up differs from the starting one where it can, and GPT-2's one token does all", () => {
  const shared = { ...special, bos: 2 };
  expect([...frameOf(gptFraming, { special: shared }, "test").join(texts).tokens]).toEqual([2, 10, 11, 3, 12, 6]);
  const one = { pad: 9, unk: -1, cls: undefined, sep: undefined, mask: undefined, bos: 9, eos: 9 };
  expect([...frameOf(gptFraming, { special: one }, "test").join(texts).tokens]).toEqual([9, 10, 11, 9, 12, 9]);
});

test("a tokenizer that lacks tokens is refused with what it lacks", () => {
  const bare = { pad: 0, unk: 1, cls: undefined, sep: undefined, mask: undefined };
  expect(() => frameOf(bertFraming, { special: bare }, "predict")).toThrow(
    "predict: the tokenizer has no token for cls, sep",
  );
});
