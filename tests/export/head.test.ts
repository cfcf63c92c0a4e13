/** @file Exported heads of words, answers and options, run by plain ONNX Runtime, beside transformers. */
import type { Tensor } from "onnxruntime-node";
import { describe, expect, it } from "vitest";
import type { ExportTask } from "../../src/export/task.ts";
import { familyOf } from "../../src/models/families.ts";
import { difference, expected, fixtureFolder, int64, type Numbers, openExport } from "./session.ts";

/** Of f32 beside float64. */
const bound = 1e-5;

const plain = ["input_ids", "attention_mask"];
const typed = [...plain, "token_type_ids"];

/** A fixture's inputs as a file takes them. */
async function feeds(read: (tensor: string) => Promise<Numbers>, names: readonly string[]) {
  const all = await Promise.all(names.map(async (name): Promise<[string, Tensor]> => [name, int64(await read(name))]));
  return Object.fromEntries(all);
}

async function openFixture(name: string, task: ExportTask) {
  const folder = fixtureFolder(name);
  const { model } = await openExport(await (await familyOf(folder)).loadAny(folder, 0), task);
  return model!;
}

const families = [
  ["bert", typed],
  ["roberta", plain],
  ["albert", typed],
  ["ernie", typed],
  ["gpt2", plain],
] as const;

describe("exported taggers", () => {
  it.each(families)("%s: scores of every word (a pooler, or a place one off, fails)", async (family, names) => {
    const name = `${family}/token-classification`;
    const read = expected(name);
    const model = await openFixture(name, "token-classification");
    expect(model.inputNames).toEqual(names);
    const { logits } = await model.run(await feeds(read, names));
    expect(logits!.dims).toEqual([3, 9, 3]);
    expect(difference(logits!, await read("logits"), await read("attention_mask"))).toBeLessThan(bound);
  });
});

describe("exported readers", () => {
  it.each([...families, ["bart", plain]] as const)(
    "%s: where answers begin and end (the ends exchanged)",
    async (family, names) => {
      const name = `${family}/question-answering`;
      const read = expected(name);
      const model = await openFixture(name, "question-answering");
      expect(model.outputNames).toEqual(["start_logits", "end_logits"]);
      const result = await model.run(await feeds(read, names));
      const wanted = await read("logits");
      ["start_logits", "end_logits"].forEach((end, which) => {
        const data = (wanted.data as Float32Array).filter((_, i) => i % 2 === which);
        expect(difference(result[end]!, { shape: wanted.shape.slice(0, 2), data }), end).toBeLessThan(bound);
      });
    },
  );
});

describe("exported models for options", () => {
  it.each(families)("%s: a score for each option (options taken for questions)", async (family, names) => {
    const name = `${family}/multiple-choice`;
    const read = expected(name);
    const model = await openFixture(name, "multiple-choice");
    expect(model.inputNames).toEqual(names);
    const { logits } = await model.run(await feeds(read, names));
    expect(logits!.dims).toEqual([3, 2]);
    expect(difference(logits!, await read("logits"))).toBeLessThan(bound);
  });
});
