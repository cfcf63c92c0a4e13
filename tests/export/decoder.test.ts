/** @file Exported models that write, run by plain ONNX Runtime, beside transformers: whole, and step by step with their cache. */
import { type InferenceSession, Tensor } from "onnxruntime-node";
import { describe, expect, it } from "vitest";
import { bartFamily } from "../../src/models/bart/family.ts";
import { gpt2Family } from "../../src/models/gpt2/family.ts";
import { openAiGptFamily } from "../../src/models/openai-gpt/family.ts";
import {
  difference,
  expected,
  fixtureFolder,
  float32,
  int64,
  type Numbers,
  openExport,
  part,
  vectors,
} from "./session.ts";

const bound = 1e-5;
const numbers = (data: readonly number[], shape: readonly number[]): Numbers => ({
  data: Int32Array.from(data),
  shape,
});
const counted = (rows: number, from: number, to: number): Numbers => {
  const width = to - from;
  return numbers(
    Array.from({ length: rows * width }, (_, i) => from + (i % width)),
    [rows, width],
  );
};

type Feeds = Record<string, Tensor>;

/** Empty keys and values, as transformers.js gives them to a first step. */
function emptyPast(session: InferenceSession, rows: number, length = 0): Feeds {
  const past = session.inputMetadata.filter(({ name }) => name.startsWith("past_key_values"));
  return Object.fromEntries(
    past.map((input) => {
      const shape = (input as { readonly shape: readonly (number | string)[] }).shape;
      const dims = shape.map((dim) => (typeof dim === "number" ? dim : dim === "batch_size" ? rows : length));
      return [input.name, float32(new Float32Array(dims.reduce((a, b) => a * b)).fill(9), dims)];
    }),
  );
}

/** What a step gives, as the next one takes it. */
function nextPast(results: Feeds, before: Feeds = {}): Feeds {
  const kept = Object.entries(results).flatMap(([name, tensor]) => {
    if (!name.startsWith("present")) return [];
    const past = name.replace("present", "past_key_values");
    const stays = name.includes("encoder") && before[past] !== undefined;
    return [[past, stays ? before[past]! : tensor] as const];
  });
  return Object.fromEntries(kept);
}

describe("exported GPT-2", () => {
  const name = "gpt2/lm";
  const load = async () => {
    const read = expected(name);
    const { model } = await openExport(await gpt2Family.loadPretraining(fixtureFolder(name), 0), "text-generation");
    const [ids, mask, logits] = await Promise.all(["input_ids", "attention_mask", "logits"].map(read));
    return { model: model!, ids: ids!, mask: mask!, logits: logits! };
  };

  it("scores next words as transformers without a past, in padded rows (a token that sees what follows fails)", async () => {
    const { model, ids, mask, logits } = await load();
    const result = await model.run({
      input_ids: int64(ids),
      attention_mask: int64(mask),
      position_ids: int64(counted(3, 0, 9)),
      ...emptyPast(model, 3),
    });
    expect(difference(result.logits!, logits, mask)).toBeLessThan(bound);
    expect(result["present.1.value"]!.dims).toEqual([3, 3, 9, 4]);
  });

  it("goes on from what it gave, some tokens at a time (keys in the wrong order or places begun anew fail)", async () => {
    const { model, ids, mask, logits } = await load();
    let past = emptyPast(model, 3);
    for (const [from, to] of [
      [0, 4],
      [4, 6],
      [6, 7],
      [7, 9],
    ] as const) {
      const result = await model.run({
        input_ids: int64(part(ids, [0, 3], [from, to])),
        attention_mask: int64(part(mask, [0, 3], [0, to])),
        position_ids: int64(counted(3, from, to)),
        ...past,
      });
      const wanted = vectors(logits, [0, 3], [from, to]);
      expect(difference(result.logits!, wanted, part(mask, [0, 3], [from, to]))).toBeLessThan(bound);
      past = nextPast(result);
    }
  });

  it("reads rows that are padded on the left, as generating in batches does", async () => {
    const { model, ids, logits } = await load();
    const row = [...part(ids, [1, 2], [0, 6]).data];
    const full = [...part(ids, [0, 1], [0, 9]).data];
    const left = (tokens: readonly number[], filler: number) => [filler, filler, filler, ...tokens];
    const mask = [...Array<number>(9).fill(1), ...left(Array<number>(6).fill(1), 0)];
    const result = await model.run({
      input_ids: int64(numbers([...full, ...left(row, 0)], [2, 9])),
      attention_mask: int64(numbers(mask, [2, 9])),
      position_ids: int64(numbers([0, 1, 2, 3, 4, 5, 6, 7, 8, 1, 1, 1, 0, 1, 2, 3, 4, 5], [2, 9])),
      ...emptyPast(model, 2),
    });
    const [first, second] = [vectors(logits, [0, 1], [0, 9]), vectors(logits, [1, 2], [0, 6])];
    const padding = new Array<number>(3 * 37).fill(0);
    const wanted = { shape: [2, 9, 37], data: Float32Array.from([...first.data, ...padding, ...second.data]) };
    expect(difference(result.logits!, wanted, numbers(mask, [2, 9]))).toBeLessThan(bound);
  });
});

describe("exported GPT", () => {
  it("goes on from what it gave, though it normalises after its parts", async () => {
    const name = "openai-gpt/lm";
    const read = expected(name);
    const { model } = await openExport(
      await openAiGptFamily.loadPretraining(fixtureFolder(name), 0),
      "text-generation",
    );
    const [ids, mask, logits] = (await Promise.all(["input_ids", "attention_mask", "logits"].map(read))) as [
      Numbers,
      Numbers,
      Numbers,
    ];
    let past = emptyPast(model!, 3);
    for (const [from, to] of [
      [0, 5],
      [5, 9],
    ] as const) {
      const result = await model!.run({
        input_ids: int64(part(ids, [0, 3], [from, to])),
        attention_mask: int64(part(mask, [0, 3], [0, to])),
        position_ids: int64(counted(3, from, to)),
        ...past,
      });
      const wanted = vectors(logits, [0, 3], [from, to]);
      expect(difference(result.logits!, wanted, part(mask, [0, 3], [from, to]))).toBeLessThan(bound);
      past = nextPast(result);
    }
  });
});

describe("exported BART", () => {
  const flag = (on: boolean) => new Tensor("bool", [on], [1]);

  it.each([
    { name: "bart/conditional-generation", past: 0, peer: "transformers.js" },
    // A past that a first step is given is no past.
    { name: "bart/conditional-generation", past: 1, peer: "optimum" },
    { name: "bart/scaled-relu", past: 0, peer: "transformers.js" },
  ])("$name: encodes once, then decodes step by step as transformers, with the first past of $peer", async (given) => {
    const { name, past: length } = given;
    const read = expected(name);
    const sessions = await openExport(await bartFamily.loadPretraining(fixtureFolder(name), 0), "text2text-generation");
    const [encoder, decoder] = [sessions.encoder_model!, sessions.decoder_model_merged!];
    const [ids, mask, targets, targetMask, logits] = (await Promise.all(
      ["input_ids", "attention_mask", "decoder_input_ids", "decoder_attention_mask", "logits"].map(read),
    )) as [Numbers, Numbers, Numbers, Numbers, Numbers];
    const encoded = await encoder.run({ input_ids: int64(ids), attention_mask: int64(mask) });
    const shared = {
      encoder_attention_mask: int64(mask),
      encoder_hidden_states: encoded.last_hidden_state!,
    };
    let past = emptyPast(decoder, 3, length);
    let isFirst = true;
    for (const [from, to] of [
      [0, 3],
      [3, 4],
      [4, 7],
    ] as const) {
      const result = await decoder.run({
        ...shared,
        ...past,
        input_ids: int64(part(targets, [0, 3], [from, to])),
        use_cache_branch: flag(!isFirst),
      });
      const wanted = vectors(logits, [0, 3], [from, to]);
      expect(difference(result.logits!, wanted, part(targetMask, [0, 3], [from, to]))).toBeLessThan(bound);
      past = nextPast(result, isFirst ? {} : past);
      isFirst = false;
    }
  });
});
