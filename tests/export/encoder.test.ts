/** @file Exported encoders of every family, run by plain ONNX Runtime, beside transformers. */
import type { Tensor } from "onnxruntime-node";
import { describe, expect, it } from "vitest";
import { familyOf } from "../../src/models/families.ts";
import { difference, expected, fixtureFolder, int64, type Numbers, openExport, part, vectors } from "./session.ts";

/** Of f32 beside float64. */
const bound = 1e-5;

interface Rows {
  readonly names: readonly string[];
  readonly ids: Numbers;
  readonly mask: Numbers;
  readonly types: Numbers | undefined;
}

/** A fixture's rows as a file takes them, all or some. */
function feeds({ names, ids, mask, types }: Rows, cut: (whole: Numbers) => Numbers = (whole) => whole) {
  const all: Record<string, Numbers | undefined> = { input_ids: ids, attention_mask: mask, token_type_ids: types };
  return Object.fromEntries(names.map((name): [string, Tensor] => [name, int64(cut(all[name]!))]));
}

async function rowsOf(read: (tensor: string) => Promise<Numbers>, names: readonly string[]): Promise<Rows> {
  const [ids, mask] = await Promise.all(["input_ids", "attention_mask"].map(read));
  const types = names.includes("token_type_ids") ? await read("token_type_ids") : undefined;
  return { names, ids: ids!, mask: mask!, types };
}

const plain = ["input_ids", "attention_mask"];
const typed = [...plain, "token_type_ids"];

describe("exported scores of masked words", () => {
  const cases = [
    { name: "bert/pretraining", logits: "prediction_logits", names: typed },
    { name: "bert/masked-lm-gelu-new", logits: "logits", names: typed },
    // Its places are counted from behind the padding id, over the tokens that are not padding.
    { name: "roberta/masked-lm", logits: "logits", names: plain },
    { name: "albert/pretraining", logits: "prediction_logits", names: typed },
    { name: "albert/masked-lm-two-groups", logits: "logits", names: typed },
    { name: "ernie/pretraining", logits: "prediction_logits", names: typed },
  ];

  it.each(cases)(
    "$name: those of transformers, in padded rows and for one row alone (a size of the trace left in the file fails)",
    async ({ name, logits, names }) => {
      const read = expected(name);
      const folder = fixtureFolder(name);
      const { model } = await openExport(await (await familyOf(folder)).loadPretraining(folder, 0), "fill-mask");
      expect(model!.inputNames).toEqual(names);
      const rows = await rowsOf(read, names);
      const wanted = await read(logits);
      const whole = await model!.run(feeds(rows));
      expect(difference(whole.logits!, wanted, rows.mask)).toBeLessThan(bound);
      // The second row without its padding.
      const [row, tokens] = [
        [1, 2],
        [0, 6],
      ] as const;
      const single = await model!.run(feeds(rows, (all) => part(all, row, tokens)));
      expect(difference(single.logits!, vectors(wanted, row, tokens))).toBeLessThan(bound);
    },
  );
});

describe("exported classifiers", () => {
  const cases = [
    { name: "bert/sequence-classification", names: typed },
    { name: "roberta/sequence-classification", names: plain },
    { name: "albert/sequence-classification", names: typed },
    { name: "ernie/sequence-classification", names: typed },
    // These sum up by the last token: of the mask, not of the row.
    { name: "gpt2/sequence-classification", names: plain },
    { name: "openai-gpt/sequence-classification", names: plain },
    { name: "bart/sequence-classification", names: plain },
  ];

  it.each(cases)("$name: scores of every row (of the first row, or of padding, fail)", async ({ name, names }) => {
    const read = expected(name);
    const folder = fixtureFolder(name);
    const { model } = await openExport(
      await (await familyOf(folder)).loadClassification(folder, 0),
      "text-classification",
    );
    expect(model!.inputNames).toEqual(names);
    const result = await model!.run(feeds(await rowsOf(read, names)));
    expect(difference(result.logits!, await read("logits"))).toBeLessThan(bound);
  });
});

describe("exported hidden states", () => {
  it.each([
    { name: "bert/pretraining", names: typed },
    { name: "gpt2/lm", names: plain },
  ])("$name: those of the last layer (a layer below would pass for it by shape)", async ({ name, names }) => {
    const read = expected(name);
    const folder = fixtureFolder(name);
    const state = await (await familyOf(folder)).loadPretraining(folder, 0);
    const { model } = await openExport(state, "feature-extraction");
    const rows = await rowsOf(read, names);
    const result = await model!.run(feeds(rows));
    const wanted = await read(`hidden_states.${state.module.encoder.numHiddenLayers}`);
    expect(difference(result.last_hidden_state!, wanted, rows.mask)).toBeLessThan(bound);
  });
});
