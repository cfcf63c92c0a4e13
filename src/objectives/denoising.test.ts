import { afterAll, describe, expect, test } from "vitest";
import { randomWeights } from "../../tests/support/random-model.ts";
import { runForward, tinyBart } from "../../tests/support/tiny-bart.ts";
import { cyclicExamples, tinyTokenizer } from "../../tests/support/tiny-run.ts";
import { createReferenceBackend } from "../backend/reference/reference-backend.ts";
import type { Batch } from "../data/batch.ts";
import type { PretrainingExample } from "../data/segment.ts";
import type { PretrainingModel } from "../models/model.ts";
import { type DenoisingOptions, denoising } from "./denoising.ts";
import type { Drawn } from "./objective.ts";
import { targetLogits } from "./target-rows.ts";

const backend = createReferenceBackend();
afterAll(() => backend.dispose());

const examples = cyclicExamples(64, 11);
const drawn = (items: readonly number[], epoch = 0): Drawn<PretrainingExample>[] =>
  items.map((item) => ({ example: examples.example(0, 0, item), epoch, item }));
const items = [0, 1, 2, 3, 4, 5, 6, 7, 8];
const objective = (options: Partial<DenoisingOptions> = {}) =>
  denoising({ tokenizer: tinyTokenizer, maxSeqLength: 16, ...options });
const values = (batch: Batch, name: string): number[] => [...(batch.tensors[name]!.data as Int32Array)];

/** The sequences of rows, by row and number. */
function sequences(batch: Batch, side: "" | "target"): Map<string, number[]> {
  const [tokens, ids] = side === "" ? ["inputIds", "sequenceIds"] : ["targetInputIds", "targetSequenceIds"];
  const width = batch.tensors[tokens!]!.shape[1]!;
  const found = new Map<string, number[]>();
  values(batch, ids!).forEach((id, place) => {
    const key = `${Math.floor(place / width)}/${id}`;
    if (id > 0) found.set(key, [...(found.get(key) ?? []), values(batch, tokens!)[place]!]);
  });
  return found;
}

/** What is to be written, by row and number. */
function answers(batch: Batch): Map<string, number[]> {
  const ids = values(batch, "targetSequenceIds");
  const width = batch.tensors.targetInputIds!.shape[1]!;
  const labels = values(batch, "targetLabels");
  const found = new Map<string, number[]>();
  values(batch, "targetPlaces").forEach((place, i) => {
    if (labels[i] === -100) return;
    const key = `${Math.floor(place / width)}/${ids[place]}`;
    found.set(key, [...(found.get(key) ?? []), labels[i]!]);
  });
  return found;
}

describe("batches", () => {
  const batch = objective().collate(drawn(items), 5);
  const whole = (item: number): number[] => [2, ...examples.example(0, 0, item).a.tokens, 3];

  test("the whole text is written, begin and end included, from a starting token on (bug: labels of the noisy text)", () => {
    const written = answers(batch);
    expect([...written.values()].map((ids) => ids.join(" ")).sort()).toEqual(
      items.map((item) => whole(item).join(" ")).sort(),
    );
    for (const [key, given] of sequences(batch, "target"))
      expect(given).toEqual([3, ...written.get(key)!.slice(0, -1)]);
    expect(batch.counts.targetTokens).toBe(items.reduce((sum, item) => sum + whole(item).length, 0));
  });

  test("source and target of a text stand in the same row under the same number (bug: a row's targets in another order)", () => {
    const sources = sequences(batch, "");
    expect([...sources.keys()].sort()).toEqual([...answers(batch).keys()].sort());
    expect(batch.tensors.inputIds!.shape[0]).toBe(batch.tensors.targetInputIds!.shape[0]);
    expect(batch.tensors.inputIds!.shape[0]).toBeLessThan(items.length);
    for (const [key, source] of sources) {
      const text = answers(batch).get(key)!;
      expect([source[0], source.at(-1)]).toEqual([2, 3]);
      const kept = source.filter((id) => id !== 4);
      expect(kept.every((id) => text.includes(id))).toBe(true);
      expect(source.includes(4)).toBe(true);
      expect(source.length).toBeLessThanOrEqual(text.length);
    }
  });

  test("positions begin anew with every sequence on both sides", () => {
    for (const [ids, places] of [
      ["sequenceIds", "positionIds"],
      ["targetSequenceIds", "targetPositionIds"],
    ] as const) {
      const width = batch.tensors[ids]!.shape[1]!;
      const numbers = values(batch, ids);
      values(batch, places).forEach((position, place) => {
        if (numbers[place] === 0) return;
        const isFirst = place % width === 0 || numbers[place - 1] !== numbers[place];
        expect(position === 0).toBe(isFirst);
      });
    }
  });

  test("noise is anew every epoch, and a function of the example alone", () => {
    const sources = (epoch: number, chosen: readonly number[], seed = 5) => {
      const made = objective({ packed: false }).collate(drawn(chosen, epoch), seed);
      return [...sequences(made, "").values()].map(String);
    };
    expect(sources(1, items)).toEqual(sources(1, items));
    expect(sources(1, items)).not.toEqual(sources(2, items));
    expect(sources(1, items)).not.toEqual(sources(1, items, 6));
    expect(sources(1, [0, 9, 10])[0]).toBe(sources(1, items)[0]);
  });

  test("a plan's rows are kept, and no wider than planned", () => {
    const layout = { width: 26, numRows: 3, rows: [[0, 2], [1]] };
    const planned = objective().collate(drawn([0, 1, 2]), 5, layout);
    for (const name of ["inputIds", "targetInputIds"]) {
      const [numRows, width] = planned.tensors[name]!.shape;
      expect(numRows).toBe(3);
      expect(width).toBeLessThanOrEqual(26);
    }
    expect([...answers(planned).keys()].sort()).toEqual(["0/1", "0/2", "1/1"]);
  });
});

/** Scores at the answered places. */
const logitsOf = async (batch: Batch, model = tinyBart()) => {
  const run = (
    context: Parameters<PretrainingModel["maskedLmLogits"] & object>[0],
    tensors: Parameters<typeof targetLogits>[2],
  ) => ({
    logits: targetLogits(model, context, tensors),
  });
  return (await runForward(backend, model, randomWeights(model), batch, run)).logits!;
};

test("packed or one a row, every place has the same scores (bug: attention to another text's source)", async () => {
  const [packed, single] = [true, false].map((isPacked) => objective({ packed: isPacked }).collate(drawn(items), 5));
  const [one, other] = [await logitsOf(packed!), await logitsOf(single!)];
  const used = packed!.counts.targetTokens! * tinyTokenizer.vocabSize;
  // Places are listed in the order of the texts, whatever their rows.
  for (let i = 0; i < used; i++) expect(Math.abs(one[i]! - other[i]!)).toBeLessThan(1e-9);
});

test("a place's scores do not change with the tokens written after it, and do with those before (no leak)", async () => {
  const batch = objective({ packed: false }).collate(drawn([0]), 5);
  const base = await logitsOf(batch);
  const at = 4;
  const changed = Int32Array.from(batch.tensors.targetInputIds!.data as Int32Array);
  changed[at] = changed[at] === 7 ? 8 : 7;
  const targetInputIds = { ...batch.tensors.targetInputIds!, data: changed };
  const other = await logitsOf({ ...batch, tensors: { ...batch.tensors, targetInputIds } });
  const size = tinyTokenizer.vocabSize;
  for (let place = 0; place < batch.counts.targetTokens!; place++) {
    const differs = base.slice(place * size, (place + 1) * size).some((x, i) => x !== other[place * size + i]);
    expect(differs, `place ${place}`).toBe(place >= at);
  }
});

describe("what cannot be learned is refused", () => {
  test("settings out of range, all together", () => {
    const wrong = { textInfilling: 1.5, spanLength: 0, unit: "word" as never };
    expect(() => objective(wrong)).toThrow(/3 problems[\s\S]*textInfilling[\s\S]*spanLength[\s\S]*unit/);
    expect(() => objective({ textInfilling: 0 })).toThrow(/only copied/);
  });

  test("a model without decoder, or one that begins otherwise", () => {
    const { encoder } = tinyBart();
    const bare = { isModule: true as const, encoder };
    expect(
      objective()
        .modelIssues(bare)
        .map(({ path }) => path),
    ).toEqual(["model.decoder", "model.causalLmLogits"]);
    const other = tinyBart({ decoderStartTokenId: 2 });
    expect(
      objective()
        .modelIssues(other)
        .map(({ path }) => path),
    ).toEqual(["model.decoderStartTokenId"]);
    expect(objective().modelIssues(tinyBart())).toEqual([]);
  });
});
