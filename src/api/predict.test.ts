import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Backend } from "../backend/backend.ts";
import { createReferenceBackend } from "../backend/reference/reference-backend.ts";
import { Random } from "../base/random.ts";
import { bertConfig } from "../models/bert/config.ts";
import { bert, bertFamily } from "../models/bert/family.ts";
import { bertFraming } from "../models/framing.ts";
import { namedParameters } from "../nn/module.ts";
import { openEngine } from "../runtime.ts";
import { encodeTexts, type TextInput } from "../tasks/encode-text.ts";
import { testTable, testTokenizer, testWords } from "../tasks/testing.ts";
import { TextClassifierProgram } from "../tasks/text-classifier-program.ts";
import { ModelStore } from "../train/model-store.ts";
import { fillMask, openMaskFiller } from "./fill-mask.ts";
import type { TextClassifier } from "./model.ts";
import { openPredictor, predict, predictRows } from "./predict.ts";

const tokenizer = testTokenizer();
const config = bertConfig({
  vocabSize: tokenizer.vocabSize,
  hiddenSize: 32,
  numHiddenLayers: 2,
  numAttentionHeads: 2,
  intermediateSize: 64,
  maxPositionEmbeddings: 96,
});
const module = bertFamily.classification(config, 3);
/** Large random weights, gains and biases too, so that every input matters. */
const weights = new Map(
  [...namedParameters(module)].map(([name, { shape }]) => {
    const random = new Random(3, name);
    const size = shape.reduce((product, dim) => product * dim, 1);
    return [name, Float32Array.from({ length: size }, () => 0.3 * random.nextNormal())];
  }),
);
const classifier = {
  family: bertFamily,
  config,
  module,
  weights,
  tokenizer,
  labels: ["a", "b", "c"],
  maxSeqLength: 96,
} as unknown as TextClassifier;

const random = new Random(9, "texts");
const texts = Array.from({ length: 40 }, () =>
  Array.from({ length: 1 + random.nextInt(60) }, () => testWords[random.nextInt(testWords.length)]).join(" "),
);

describe("predictor", () => {
  let engine: Backend;
  beforeAll(async () => {
    engine = await openEngine({ threads: 1 });
  });
  afterAll(async () => {
    await engine.dispose();
  });

  async function logits(options: { readonly packed: boolean; readonly batchSize: number }): Promise<number[]> {
    const store = new ModelStore(engine, module, ["value"]);
    store.write("value", weights);
    const program = new TextClassifierProgram({
      backend: engine,
      store,
      model: classifier.module,
      maxSeqLength: 96,
      padId: tokenizer.special.pad,
      ...options,
    });
    const inputs = texts.map((text, i): TextInput => (i % 3 === 0 ? [text, texts[(i + 1) % 40]!] : text));
    const encoded = await encodeTexts({ tokenizer, framing: bertFraming, maxSeqLength: 96 }, inputs, () => {
      throw new Error("empty");
    });
    const result = await program.logits(encoded);
    await program.dispose();
    store.dispose();
    return result.flatMap((row) => [...row]);
  }

  it("gives each text the same scores alone, padded, packed and in any batch (catches attention across texts, lost order)", async () => {
    const alone = await logits({ packed: false, batchSize: 1 });
    expect(new Set(alone.map((score) => score.toFixed(3))).size).toBeGreaterThan(60);
    const distance = (other: readonly number[]): number =>
      Math.max(...other.map((score, i) => Math.abs(score - alone[i]!)));
    expect(distance(await logits({ packed: true, batchSize: 16 }))).toBeLessThan(1e-5);
    expect(distance(await logits({ packed: true, batchSize: 40 }))).toBeLessThan(1e-5);
    expect(distance(await logits({ packed: false, batchSize: 7 }))).toBeLessThan(1e-5);
  });

  it("answers calls that overlap as if one came after the other (catches buffers overwritten by a second call)", async () => {
    const predictor = await openPredictor(classifier, { engine, batchSize: 8 });
    const halves = await Promise.all([predictor.predict(texts.slice(0, 20)), predictor.predict(texts.slice(20))]);
    const all = await predictor.predict(texts);
    await predictor.dispose();
    halves.flat().forEach((prediction, i) => {
      expect(prediction.label).toBe(all[i]!.label);
      expect(prediction.probabilities.a).toBeCloseTo(all[i]!.probabilities.a!, 5);
    });
    await expect(predictor.predict(["good"])).rejects.toMatchObject({ code: "DISPOSED" });
  });

  it("keeps the fields and the order of rows, across the chunks they are read in", async () => {
    const rows = Array.from({ length: 1_003 }, (_, i) => ({
      id: i,
      text: texts[(i * 7) % 40]!.slice(0, 40),
      more: { x: i },
    }));
    const expected = await predict(
      classifier,
      rows.slice(995, 1_003).map(({ text }) => text),
      { engine },
    );
    const got = [];
    for await (const row of predictRows(classifier, testTable("rows", rows), { engine, batchSize: 64 })) got.push(row);
    expect(got.map(({ fields }) => fields)).toEqual(rows);
    expect(got.map(({ line }) => line)).toEqual(rows.map((_, i) => i + 1));
    expect(got.slice(995).map(({ label }) => label)).toEqual(expected.map(({ label }) => label));
  });

  it("stops reading when the caller stops, and can be used again (catches an engine left open by an early return)", async () => {
    for await (const row of predictRows(classifier, testTable("rows", [{ text: "good" }, { text: "bad" }]), {
      engine,
    })) {
      expect(row.line).toBe(1);
      break;
    }
    expect(await predict(classifier, ["good"], { engine })).toHaveLength(1);
    expect(await predict(classifier, [], { engine })).toEqual([]);
  });

  it("predicts almost the same in int8, with less memory (catches int8 that is asked for and not used, and wrong scales)", async () => {
    const exact = await openPredictor(classifier, { engine });
    const rounded = await openPredictor(classifier, { engine, quantize: "int8" });
    const [wanted, got] = [await exact.predict(texts), await rounded.predict(texts)];
    const distances = got.map(({ probabilities }, i) => Math.abs(probabilities.a! - wanted[i]!.probabilities.a!));
    expect(Math.max(...distances)).toBeLessThan(0.15);
    expect(Math.max(...distances)).toBeGreaterThan(1e-6);
    expect(rounded.weightBytes).toBeLessThan(0.7 * exact.weightBytes);
    await exact.dispose();
    await rounded.dispose();
  });

  it("says where an engine has no kernels for int8, and only there (catches int8 that is slower in silence)", async () => {
    const plain = createReferenceBackend({ precision: "f32" });
    const told: string[] = [];
    const onNotice = (message: string): void => void told.push(message);
    const predicted = async (backend: Backend, quantize: "int8" | "none") => {
      const [one] = await predict(classifier, ["good"], { engine: backend, quantize, onNotice });
      return one!.probabilities.a!;
    };
    expect(await predicted(plain, "int8")).toBeCloseTo(await predicted(engine, "int8"), 1);
    await predicted(plain, "none");
    expect(told).toEqual([expect.stringMatching(/engine reference has no kernels for int8.*Use the engine onnx/)]);
    await plain.dispose();
  });

  it("refuses empty texts and wrong options", async () => {
    await expect(predict(classifier, ["good"], { engine, quantize: "int8", dtype: "bf16" })).rejects.toThrow(
      /quantize: must be "none" where the model computes in bf16/,
    );
    await expect(predict(classifier, ["good", ""], { engine })).rejects.toThrow("texts[1]: the text is empty");
    const options = { engine, batchSize: 0, maxSeqLength: 97 };
    await expect(predict(classifier, ["good"], options)).rejects.toThrow(
      /2 problems.*maxPositionEmbeddings, 96; got 97.*batchSize/s,
    );
  });
});

describe("fillMask", () => {
  const model = { ...bert(config, { seed: 2 }), tokenizer } as unknown as Parameters<typeof fillMask>[0];
  const big = new Map(
    [...model.weights].map(([name, data]) => [name, name.includes("orm") ? data : data.map((x) => 8 * x)]),
  );

  it("fills every blank by itself, best first, the same alone as beside others", async () => {
    const inputs = ["the [MASK] plot [MASK]", "so [MASK]", "a very very very [MASK] film [MASK] a [MASK]"];
    const options = { engine: { threads: 1 }, topK: tokenizer.vocabSize } as const;
    const filled = await fillMask({ ...model, weights: big }, inputs, options);
    const [alone] = await fillMask({ ...model, weights: big }, [inputs[2]!], options);
    expect(filled.map(({ masks }) => masks.length)).toEqual([2, 1, 3]);
    for (const { masks } of filled) {
      for (const candidates of masks) {
        expect(candidates.reduce((sum, { probability }) => sum + probability, 0)).toBeCloseTo(1, 6);
        const sorted = [...candidates].sort((a, b) => b.probability - a.probability);
        expect(candidates).toEqual(sorted);
        expect(candidates.every(({ token, id }) => tokenizer.idToToken(id) === token)).toBe(true);
      }
    }
    filled[2]!.masks.forEach((candidates, i) => {
      expect(candidates[0]!.token).toBe(alone!.masks[i]![0]!.token);
      expect(candidates[0]!.probability).toBeCloseTo(alone!.masks[i]![0]!.probability, 5);
    });
    const top = await fillMask({ ...model, weights: big }, ["so [MASK]"], { engine: { threads: 1 }, topK: 2 });
    expect(top[0]!.masks[0]!.map(({ id }) => id)).toEqual(filled[1]!.masks[0]!.slice(0, 2).map(({ id }) => id));
  });

  it("fills the same with weights that are laid out once for many calls (catches a tied table laid out for one use only)", async () => {
    const texts = ["the [MASK] plot [MASK]", "so [MASK]"];
    const options = { engine: { threads: 1 } } as const;
    const once = await fillMask({ ...model, weights: big }, texts, options);
    const filler = await openMaskFiller({ ...model, weights: big }, options);
    for (const filled of [await filler.fill(texts), await filler.fill(texts)]) {
      filled.forEach(({ masks }, i) => {
        masks.forEach((candidates, k) => {
          const wanted = once[i]!.masks[k]!;
          expect(candidates.map(({ id }) => id)).toEqual(wanted.map(({ id }) => id));
          candidates.forEach(({ probability }, c) => {
            expect(probability).toBeCloseTo(wanted[c]!.probability, 5);
          });
        });
      });
    }
    await filler.dispose();
  });

  it("refuses texts without a blank, texts that are too long, and heads that were never trained", async () => {
    await expect(fillMask(model, ["so [MASK]", "so good"])).rejects.toThrow(
      /texts\[1\]: there is no blank in "so good"/,
    );
    const long = `[MASK] ${"very ".repeat(100)}`;
    await expect(fillMask(model, [long])).rejects.toThrow(/texts\[0\]: the text has 103 tokens, the model room for 96/);
    const headless = { ...model, newParameters: ["maskedLm.bias"] };
    await expect(fillMask(headless, ["[MASK]"])).rejects.toMatchObject({ code: "MODEL_LACKS_HEAD" });
  });
});
