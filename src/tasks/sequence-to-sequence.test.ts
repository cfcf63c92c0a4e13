import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { randomWeights } from "../../tests/support/random-model.ts";
import { runForward, tinyBart } from "../../tests/support/tiny-bart.ts";
import { tinyBert, tinyTokenizer } from "../../tests/support/tiny-run.ts";
import { createReferenceBackend } from "../backend/reference/reference-backend.ts";
import { Random } from "../base/random.ts";
import type { Batch } from "../data/batch.ts";
import { jsonLines } from "../data/json-lines.ts";
import { parallelText } from "../data/parallel-text.ts";
import type { PretrainingModel } from "../models/model.ts";
import { adamW } from "../optim/adamw.ts";
import { Evaluator } from "../train/evaluator.ts";
import { ModelStore } from "../train/model-store.ts";
import { TrainStep } from "../train/train-step.ts";
import { type SequenceToSequenceOptions, sequenceToSequence } from "./sequence-to-sequence.ts";
import type { TextPair } from "./sequence-to-sequence-data.ts";

const backend = createReferenceBackend();
const folder = mkdtempSync(join(tmpdir(), "firth-pairs-"));
afterAll(async () => {
  await backend.dispose();
  rmSync(folder, { recursive: true });
});

/** Reads words that are numbers. */
const tokenizer = {
  ...tinyTokenizer,
  encodeIds: async (texts: readonly string[]) =>
    texts.map((text) => {
      const ids = Int32Array.from(
        text.split(" ").filter((word) => word !== ""),
        Number,
      );
      return { ids, wordStarts: new Uint8Array(ids.length).fill(1) };
    }),
};
const task = (options: Partial<SequenceToSequenceOptions> = {}) =>
  sequenceToSequence({ tokenizer, maxSourceLength: 8, maxTargetLength: 6, ...options });
const file = (name: string, text: string): string => {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
};
const random = new Random(1, "pairs");
const words = (length: number): Int32Array => Int32Array.from({ length }, () => 5 + random.nextInt(19));
const pairs: TextPair[] = Array.from({ length: 9 }, () => ({
  source: words(1 + random.nextInt(6)),
  target: words(1 + random.nextInt(4)),
}));
const drawn = (chosen: readonly TextPair[], epoch = 0) => chosen.map((example, item) => ({ example, epoch, item }));
const values = (batch: Batch, name: string): number[] => [...(batch.tensors[name]!.data as Int32Array)];
const bound = (count: number, p: number): number => 5 * Math.sqrt(count * p * (1 - p));

describe("tables", () => {
  test("are read from two columns, and cut on both sides (bug: columns exchanged)", async () => {
    const path = file("pairs.jsonl", '{"de":"7 8 9 10 11 12 13 14","en":"5 6"}\n{"de":"5","en":"6 7 8 9 10 11"}\n');
    const {
      pairs: read,
      targets,
      numTruncated,
    } = await task({ sourceColumn: "de", targetColumn: "en" }).read(jsonLines(path));
    expect(read.map(({ source, target }) => [[...source], [...target]])).toEqual([
      [
        [7, 8, 9, 10, 11, 12],
        [5, 6],
      ],
      [[5], [6, 7, 8, 9]],
    ]);
    expect([targets, numTruncated]).toEqual([["5 6", "6 7 8 9 10 11"], 2]);
  });

  test("of two files have a row a line; files of two lengths and empty texts are told with their line", async () => {
    const [one, two, short] = [file("a.txt", "5 6\n\n7\n"), file("b.txt", "8\n\n9 10\n"), file("c.txt", "8\n")];
    const { pairs: read } = await task().read(parallelText(one, two));
    expect(read.map(({ source, target }) => [[...source], [...target]])).toEqual([
      [[5, 6], [8]],
      [[7], [9, 10]],
    ]);
    await expect(task().read(parallelText(one, short))).rejects.toThrow(/c\.txt.*ends after 1 lines.*a\.txt goes on/);
    const gap = file("d.txt", "8\n9\n9\n");
    await expect(task().read(parallelText(one, gap))).rejects.toThrow(/line 2: the text in column source is empty/);
  });
});

describe("with a decoder", () => {
  const model = tinyBart();
  const objective = task().objectiveFor(model);

  test("the target stands between its ends, and the decoder is given it from its starting token on", () => {
    const batch = objective.collate(drawn(pairs), 1);
    const labels = values(batch, "targetLabels").filter((label) => label !== -100);
    expect(labels).toEqual(pairs.flatMap(({ target }) => [2, ...target, 3]));
    const places = values(batch, "targetPlaces").slice(0, labels.length);
    const inputs = values(batch, "targetInputIds");
    expect(places.map((place) => inputs[place])).toEqual(pairs.flatMap(({ target }) => [3, 2, ...target]));
    expect(batch.tensors.inputIds!.shape[0]).toBeLessThan(pairs.length);
    expect(pairs.map((pair) => objective.rowLength(pair))).toEqual(
      pairs.map(({ source, target }) => Math.max(source.length, target.length) + 2),
    );
  });

  test("labels are smoothed in training, and plain where a loss is measured", async () => {
    const smooth = task({ labelSmoothing: 0.3 }).objectiveFor(model);
    const batch = objective.collate(drawn(pairs), 1);
    const weights = randomWeights(model);
    const evaluate = async (loss: typeof objective.loss) => {
      const store = new ModelStore(backend, model, ["value"]);
      store.write("value", weights);
      const evaluator = new Evaluator({
        backend,
        store,
        model: model as PretrainingModel,
        loss,
        policy: { compute: "f32" },
      });
      const { loss: measured } = await evaluator.run([batch]);
      await evaluator.dispose();
      store.dispose();
      return measured;
    };
    const learn = async (loss: typeof objective.loss) => {
      const step = await TrainStep.create({
        ...{ backend, model: model as PretrainingModel, weights, loss, seed: 0, accumulates: false },
        optimizer: adamW(),
        treatment: () => ({ learningRateScale: 1, weightDecay: 0 }),
        maxGradNorm: 1,
        policy: { compute: "f32" },
      });
      const figures = await step.run([batch], 1, 0);
      await step.dispose();
      return figures.loss;
    };
    const plain = await evaluate(objective.loss);
    expect(await evaluate(smooth.loss)).toBe(plain);
    expect(Math.abs((await learn(objective.loss)) - plain)).toBeLessThan(1e-6);
    expect(Math.abs((await learn(smooth.loss)) - plain)).toBeGreaterThan(1e-3);
  });
});

describe("with masks in one row (UniLM)", () => {
  const { module: model } = tinyBert({ dropout: 0 });
  const objective = task().objectiveFor(model);

  test("70 % of the target's tokens are masked, its end among them, and nothing of the source", () => {
    const pair = { source: words(6), target: words(4) };
    let [ends, masked, kept] = [0, 0, 0];
    const draws = 2000;
    for (let epoch = 0; epoch < draws; epoch++) {
      const batch = objective.collate(drawn([pair], epoch), 1);
      const inputs = values(batch, "inputIds");
      const whole = [2, ...pair.source, 3, ...pair.target, 3];
      const places = values(batch, "targetPlaces").slice(0, batch.counts.targetTokens);
      const labels = values(batch, "targetLabels").slice(0, places.length);
      const isRight =
        places.length === 4 && // round(0.7 · 5)
        places.every((place, i) => place >= 8 && whole[place] === labels[i]) &&
        whole.every((id, place) => places.includes(place) || inputs[place] === id);
      expect(isRight, `draw ${epoch}`).toBe(true);
      ends += Number(places.includes(12));
      masked += places.filter((place) => inputs[place] === 4).length;
      kept += places.filter((place) => inputs[place] === whole[place]).length;
    }
    expect(Math.abs(ends - 0.8 * draws)).toBeLessThan(bound(draws, 0.8));
    expect(Math.abs(masked - 0.8 * 4 * draws)).toBeLessThan(bound(4 * draws, 0.8));
    expect(kept / (4 * draws)).toBeGreaterThan(0.08);
    expect(kept / (4 * draws)).toBeLessThan(0.13);
  });

  test("the source sees itself, the target also what is left of it; it knows them by their types", async () => {
    const pair = { source: words(3), target: words(3) };
    const batch = objective.collate(drawn([pair]), 1);
    expect(values(batch, "attentionRanks").slice(0, 9)).toEqual([0, 0, 0, 0, 0, 1, 2, 3, 4]);
    expect(values(batch, "tokenTypeIds").slice(0, 9)).toEqual([0, 0, 0, 0, 0, 1, 1, 1, 1]);
    const states = async (given: Batch) =>
      (
        await runForward(backend, model, randomWeights(model), given, (context, tensors) => ({
          states: model.encoder.encode(context, tensors as never).lastHiddenState,
        }))
      ).states!;
    const base = await states(batch);
    const changed = Int32Array.from(values(batch, "inputIds"));
    changed[7] = changed[7] === 9 ? 10 : 9;
    const inputIds = { ...batch.tensors.inputIds!, data: changed };
    const other = await states({ ...batch, tensors: { ...batch.tensors, inputIds } });
    const size = model.encoder.hiddenSize;
    for (let place = 0; place < 9; place++) {
      const differs = base.slice(place * size, (place + 1) * size).some((x, i) => x !== other[place * size + i]);
      expect(differs, `place ${place}`).toBe(place >= 7);
    }
  });
});

test("a network with the token types of UniLM knows source and target by its own, as it was pre-trained", () => {
  const pair = { source: words(2), target: words(1) };
  const types = (typeVocabSize: number): number[] => {
    const encoder = Object.create(tinyBert().module.encoder, { typeVocabSize: { value: typeVocabSize } });
    const batch = task()
      .objectiveFor({ isModule: true, encoder })
      .collate(drawn([pair]), 1);
    return values(batch, "tokenTypeIds").slice(0, 6);
  };
  expect(types(6)).toEqual([4, 4, 4, 4, 5, 5]);
  expect(types(2)).toEqual([0, 0, 0, 0, 1, 1]);
  expect(types(0)).toEqual([0, 0, 0, 0, 0, 0]);
});

test("what cannot be learned is told, all of it", () => {
  const wrong = { maxSourceLength: 2, labelSmoothing: 1, targetMaskProbability: 0, targetColumn: "source" };
  expect(() => task(wrong)).toThrow(
    /maxSourceLength[\s\S]*labelSmoothing[\s\S]*targetMaskProbability[\s\S]*targetColumn/,
  );
  const long = task({ maxSourceLength: 99, maxTargetLength: 40 });
  const paths = (model: PretrainingModel) => long.modelIssues(model).map(({ path }) => path);
  expect(paths(tinyBart())).toEqual(["task.maxSourceLength", "task.maxTargetLength"]);
  expect(paths(tinyBert().module)).toEqual(["task.maxTargetLength"]);
  // No decoder, and no head for masked words.
  const causal = tinyBart().encoder;
  expect(task().modelIssues({ isModule: true, encoder: causal })).toMatchObject([{ path: "model.decoder" }]);
});
