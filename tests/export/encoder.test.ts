/** @file Exported encoders, run by plain ONNX Runtime, beside transformers. */
import { describe, expect, it } from "vitest";
import { bertFamily } from "../../src/models/bert/family.ts";
import { difference, expected, fixtureFolder, int64, openExport, part, vectors } from "./session.ts";

const bound = 1e-5;

describe("exported BERT", () => {
  it("scores masked words as transformers, padded rows and other shapes too (a size of the trace left in the file fails)", async () => {
    const name = "bert/pretraining";
    const read = expected(name);
    const { model } = await openExport(await bertFamily.loadPretraining(fixtureFolder(name), 0), "fill-mask");
    const [ids, mask, types, logits] = await Promise.all(
      ["input_ids", "attention_mask", "token_type_ids", "prediction_logits"].map(read),
    );
    const whole = await model!.run({
      input_ids: int64(ids!),
      attention_mask: int64(mask!),
      token_type_ids: int64(types!),
    });
    expect(difference(whole.logits!, logits!, mask)).toBeLessThan(bound);
    // The second row alone, without its padding.
    const [row, tokens] = [
      [1, 2],
      [0, 6],
    ] as const;
    const single = await model!.run({
      input_ids: int64(part(ids!, row, tokens)),
      attention_mask: int64(part(mask!, row, tokens)),
      token_type_ids: int64(part(types!, row, tokens)),
    });
    expect(difference(single.logits!, vectors(logits!, row, tokens))).toBeLessThan(bound);
    expect(model!.inputNames).toEqual(["input_ids", "attention_mask", "token_type_ids"]);
  });

  it("gives the last hidden states (those of a layer below would pass for them by shape)", async () => {
    const name = "bert/pretraining";
    const read = expected(name);
    const state = await bertFamily.loadPretraining(fixtureFolder(name), 0);
    const { model } = await openExport(state, "feature-extraction");
    const [ids, mask, types] = await Promise.all(["input_ids", "attention_mask", "token_type_ids"].map(read));
    const wanted = await read(`hidden_states.${state.config.numHiddenLayers}`);
    const result = await model!.run({
      input_ids: int64(ids!),
      attention_mask: int64(mask!),
      token_type_ids: int64(types!),
    });
    expect(difference(result.last_hidden_state!, wanted, mask)).toBeLessThan(bound);
  });

  it("classifies by the first token of every row (of the first row only, or of all rows in a row)", async () => {
    const name = "bert/sequence-classification";
    const read = expected(name);
    const { model } = await openExport(
      await bertFamily.loadClassification(fixtureFolder(name), 0),
      "text-classification",
    );
    const [ids, mask, types, logits] = await Promise.all(
      ["input_ids", "attention_mask", "token_type_ids", "logits"].map(read),
    );
    const result = await model!.run({
      input_ids: int64(ids!),
      attention_mask: int64(mask!),
      token_type_ids: int64(types!),
    });
    expect(difference(result.logits!, logits!)).toBeLessThan(bound);
  });
});
