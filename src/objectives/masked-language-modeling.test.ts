import { afterAll, describe, expect, test } from "vitest";
import { cyclicExamples, tinyBert, tinyObjective, tinyTokenizer } from "../../tests/support/tiny-run.ts";
import { createReferenceBackend } from "../backend/reference/reference-backend.ts";
import { Random } from "../base/random.ts";
import type { Batch } from "../data/batch.ts";
import type { PretrainingExample } from "../data/segment.ts";
import { Evaluator } from "../train/evaluator.ts";
import { ModelStore } from "../train/model-store.ts";
import { type MaskedLanguageModelingOptions, maskedLanguageModeling } from "./masked-language-modeling.ts";
import type { Drawn } from "./objective.ts";

const backend = createReferenceBackend();
afterAll(() => backend.dispose());

const examples = cyclicExamples(64, 6);
const drawn = (items: readonly number[], epoch = 0): Drawn<PretrainingExample>[] =>
  items.map((item) => ({ example: examples.example(0, 0, item), epoch, item }));
const values = (batch: Batch, name: string): number[] => [...(batch.tensors[name]!.data as Int32Array)];

/** Places and labels that are scored. */
function scored(batch: Batch): [number, number][] {
  const labels = values(batch, "maskedLabels");
  return values(batch, "maskedPositions").flatMap((place, i) => (labels[i] === -100 ? [] : [[place, labels[i]!]]));
}

/** The rows as they were before masking, without special tokens and padding, by sequence. */
function unmasked(batch: Batch): string[] {
  const tokens = values(batch, "inputIds");
  for (const [place, label] of scored(batch)) tokens[place] = label;
  const width = batch.tensors.inputIds!.shape[1]!;
  const groups = new Map<string, number[]>();
  values(batch, "sequenceIds").forEach((id, place) => {
    const key = `${Math.floor(place / width)}/${id}`;
    if (id > 0) groups.set(key, [...(groups.get(key) ?? []), tokens[place]!]);
  });
  return [...groups.values()].map((sequence) => sequence.join(" "));
}

const items = [0, 1, 2, 3, 4, 5, 6, 7];

test("scored places hold the labels' words in the packed rows (would catch places that were not shifted)", () => {
  const packed = tinyObjective().collate(drawn(items), 5);
  expect(packed.tensors.inputIds!.shape[0]).toBeLessThan(items.length);
  const expected = items.map((item) => [2, ...examples.example(0, 0, item).a.tokens, 3].join(" "));
  expect(unmasked(packed).sort()).toEqual(expected.sort());
  expect(scored(packed)).toHaveLength(packed.counts.maskedTokens!);
  expect(new Set(scored(packed).map(([place]) => place)).size).toBe(packed.counts.maskedTokens);
  expect(packed.numTokens).toBe(expected.join(" ").split(" ").length);
  const padding = values(packed, "sequenceIds").map((id, i) => (id === 0 ? values(packed, "inputIds")[i] : 0));
  expect(new Set(padding)).toEqual(new Set([0]));
});

test("dynamic masks change with the epoch, static ones do not; neither depends on the neighbours in the batch", () => {
  const masks = (masking: "dynamic" | "static", epoch: number, chosen: readonly number[], seed = 5) =>
    values(tinyObjective({ masking, packed: false }).collate(drawn(chosen, epoch), seed), "inputIds");
  // Six words and two special tokens at most, so rows of eight.
  const first = (ids: readonly number[]) => ids.slice(0, 8);
  expect(masks("dynamic", 1, items)).not.toEqual(masks("dynamic", 2, items));
  expect(masks("dynamic", 1, items)).toEqual(masks("dynamic", 1, items));
  expect(first(masks("dynamic", 1, items))).toEqual(first(masks("dynamic", 1, [0, 9, 10])));
  expect(masks("static", 1, items)).toEqual(masks("static", 2, items));
  expect(first(masks("static", 1, items))).toEqual(first(masks("static", 2, [0, 9])));
  expect(masks("static", 1, items, 6)).not.toEqual(masks("static", 1, items, 5));
});

describe("pairs", () => {
  const segment = (...tokens: number[]) => ({
    tokens: Int32Array.from(tokens),
    wordStarts: new Uint8Array(tokens.length).fill(1),
  });
  const pairs: PretrainingExample[] = [
    { a: segment(10, 11), b: segment(12, 13, 14), isNext: true },
    { a: segment(15), b: segment(16), isNext: false },
    { a: segment(17, 18), b: segment(19), isSwapped: true },
    { a: segment(20), b: segment(21, 22), isSwapped: false },
  ];
  const batch = tinyObjective({ pair: "nextSentence" }).collate(
    pairs.map((example, item) => ({ example, epoch: 0, item })),
    1,
  );

  test("label 1 is a wrong or exchanged pair, at the place of its first token (would catch a reversed label)", () => {
    expect(values(batch, "pairLabels")).toEqual([0, 1, 1, 0]);
    const inputs = values(batch, "inputIds");
    const starts = values(batch, "firstTokens");
    expect(starts.map((place) => inputs[place])).toEqual([2, 2, 2, 2]);
    for (const [place, label] of scored(batch)) inputs[place] = label;
    expect(starts.map((place) => inputs[place + 1])).toEqual([10, 15, 17, 20]);
    expect(batch.counts.sequences).toBe(4);
  });

  test("B and its [SEP] have type 1, all else 0 (BERT's segments)", () => {
    const [start] = values(batch, "firstTokens");
    const types = values(batch, "tokenTypeIds").slice(start!, start! + 8);
    expect(types).toEqual([0, 0, 0, 0, 1, 1, 1, 1]);
    expect(values(batch, "positionIds").slice(start!, start! + 8)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  });
});

/** The loss's figures of batches, with random weights everywhere. */
async function measure(batches: readonly Batch[], options: Partial<MaskedLanguageModelingOptions> = {}) {
  const { module } = tinyBert();
  const store = new ModelStore(backend, module, ["value"]);
  const random = new Random(21);
  store.write(
    "value",
    new Map(
      [...store.parameters].map(([name, { shape }]) => {
        const size = shape.reduce((product, dim) => product * dim, 1);
        return [name, Float32Array.from({ length: size }, () => 0.3 * random.nextNormal())];
      }),
    ),
  );
  const objective = tinyObjective(options);
  const evaluator = new Evaluator({ backend, store, model: module, loss: objective.loss, policy: { compute: "f32" } });
  const result = await evaluator.run(batches);
  await evaluator.dispose();
  store.dispose();
  return result;
}

test("a packed batch costs what its sequences cost one by one (would catch sequences that see each other)", async () => {
  for (const pair of ["none", "sentenceOrder"] as const) {
    const all = drawn(items).map(({ example, ...place }, i) => ({
      example: { ...example, isSwapped: i % 3 === 0 },
      ...place,
    }));
    const packed = tinyObjective({ pair }).collate(all, 5);
    const lonely = tinyObjective({ pair, packed: false });
    const alone = all.map((one) => lonely.collate([one], 5));
    const [together, apart] = [await measure([packed], { pair }), await measure(alone, { pair })];
    expect(together.loss).toBeGreaterThan(1);
    expect(Math.abs(together.loss - apart.loss)).toBeLessThan(1e-5 * apart.loss);
    for (const [name, mean] of Object.entries(apart.means)) expect(together.means[name]).toBeCloseTo(mean, 5);
  }
});

test("a sequence's loss does not change with its neighbours' words, only with its own", async () => {
  const batch = tinyObjective().collate(drawn(items), 5);
  const sequenceIds = values(batch, "sequenceIds");
  // Score the first sequence of the first row only.
  const own = scored(batch).find(([place]) => place < 16 && sequenceIds[place] === 1)!;
  const capacity = batch.tensors.maskedLabels!.shape[0]!;
  const i32 = (data: Int32Array, shape: readonly number[]) => ({ dtype: "i32" as const, shape, data });
  const changed = (which: (id: number, place: number) => boolean): Batch => {
    const ids = Int32Array.from(values(batch, "inputIds"), (token, place) =>
      which(sequenceIds[place]!, place) && place !== own[0] ? 5 + ((token + 3) % 19) : token,
    );
    const positions = new Int32Array(capacity).fill(own[0]);
    const labels = new Int32Array(capacity).fill(-100);
    labels[0] = own[1];
    return {
      ...batch,
      counts: { maskedTokens: 1 },
      tensors: {
        ...batch.tensors,
        inputIds: i32(ids, batch.tensors.inputIds!.shape),
        maskedPositions: i32(positions, [capacity]),
        maskedLabels: i32(labels, [capacity]),
      },
    };
  };
  const base = await measure([changed(() => false)]);
  const others = await measure([changed((id, place) => id !== 1 || place >= 16)]);
  const mine = await measure([changed((id, place) => id === 1 && place < 16)]);
  expect(others.loss).toBe(base.loss);
  expect(Math.abs(mine.loss - base.loss)).toBeGreaterThan(1e-3);
});

test("wrong settings are all reported together; a tokenizer without [MASK] is refused", () => {
  const make = (options: Partial<MaskedLanguageModelingOptions>) => () =>
    maskedLanguageModeling({ tokenizer: tinyTokenizer, maxSeqLength: 16, ...options });
  expect(make({ maskProbability: 1.5, maskTokenProbability: 0.9, randomTokenProbability: 0.2, maxNgram: 0 })).toThrow(
    /3 problems[\s\S]*maskProbability[\s\S]*maskTokenProbability[\s\S]*maxNgram/,
  );
  // A limit of 0 would leave nothing to predict: a loss of 0, in silence; a misspelt choice would be the default.
  const misspelt = { maxPredictionsPerSequence: 0, pair: "nextSentences", unit: "word" } as never;
  expect(make(misspelt)).toThrow(/3 problems[\s\S]*maxPredictionsPerSequence[\s\S]*pair[\s\S]*unit/);
  const tokenizer = { ...tinyTokenizer, special: { ...tinyTokenizer.special, mask: undefined } };
  expect(make({ tokenizer })).toThrow("must have a token for masked words");
});
