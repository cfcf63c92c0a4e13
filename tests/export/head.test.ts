/** @file Exported heads of words, answers and options, run by plain ONNX Runtime, beside transformers. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { InferenceSession, type Tensor } from "onnxruntime-node";
import { describe, expect, it } from "vitest";
import { exportModel } from "../../src/api/export.ts";
import { saveClassifier } from "../../src/api/load.ts";
import { loadTagger, openTagger } from "../../src/api/tagger.ts";
import { Random } from "../../src/base/random.ts";
import type { ExportTask } from "../../src/export/task.ts";
import { bertConfig } from "../../src/models/bert/config.ts";
import { bertFamily } from "../../src/models/bert/family.ts";
import { familyOf } from "../../src/models/families.ts";
import { initialWeights } from "../../src/nn/weights.ts";
import { bestPath } from "../../src/tasks/tag-decoder.ts";
import { testTokenizer } from "../../src/tasks/testing.ts";
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

describe("an exported tagger whose tags are those of the best path", () => {
  const tokenizer = testTokenizer();
  const config = bertConfig({
    ...{
      vocabSize: tokenizer.vocabSize,
      hiddenSize: 8,
      numHiddenLayers: 1,
      numAttentionHeads: 2,
      intermediateSize: 16,
    },
    ...{ maxPositionEmbeddings: 16, initializerRange: 0.3 },
  });
  const labels = ["B-x", "I-x", "O"];
  const sentences = [["good", "film", "so"], ["film", "book", "the", "bad", "plot", "good"], ["very"]];

  it.each([
    { title: "with scores of neighbouring tags", crf: true, preserved: {} },
    { title: "that keeps a scheme's rules", crf: false, preserved: { tag_scheme: "IOB2" } },
    { title: "with both", crf: true, preserved: { tag_scheme: "IOB2" } },
  ])(
    "$title: the file's scores give the predictor's tags (bugs: the best tag of each word, columns for rows, a forbidden path)",
    async ({ crf, preserved }) => {
      const folder = await mkdtemp(join(tmpdir(), "firth-export-tags-"));
      try {
        const module = bertFamily.tokenClassification(config, labels.length, { crf });
        const weights = new Map(initialWeights(module, 4));
        const random = new Random(2, "chain");
        for (const [name, data] of weights)
          if (name.startsWith("crf."))
            weights.set(
              name,
              data.map(() => random.next() * 8 - 4),
            );
        const tagger = { family: bertFamily, config, module, weights, tokenizer, labels, maxSeqLength: 16, preserved };
        await saveClassifier(join(folder, "model"), tagger as never);
        await exportModel(join(folder, "model"), { outputDir: join(folder, "onnx") });
        const session = await InferenceSession.create(join(folder, "onnx/onnx/model.onnx"), { logSeverityLevel: 3 });
        expect(session.outputNames).toEqual(["logits", "transitions", "start_transitions", "end_transitions"]);
        const predictor = await openTagger(await loadTagger(join(folder, "model")), { engine: { threads: 1 } });
        const wanted = await predictor.tag(sentences);
        await predictor.dispose();
        let alone = 0;
        for (const [i, words] of sentences.entries()) {
          const { ids } = (await tokenizer.encodeIds([words.join(" ")]))[0]!;
          const data = Int32Array.from([tokenizer.special.cls!, ...ids, tokenizer.special.sep!]);
          const shape = [1, data.length];
          const result = await session.run({
            input_ids: int64({ shape, data }),
            attention_mask: int64({ shape, data: data.map(() => 1) }),
            token_type_ids: int64({ shape, data: data.map(() => 0) }),
          });
          const numbers = (name: string) => result[name]!.data as Float32Array;
          const scores = words.map((_, word) => numbers("logits").slice((word + 1) * 3, (word + 2) * 3));
          const path = bestPath(scores, {
            transitions: numbers("transitions"),
            starts: numbers("start_transitions"),
            ends: numbers("end_transitions"),
          });
          const tags = wanted[i]!.words.map(({ tag }) => tag);
          expect(Array.from(path, (tag) => labels[tag])).toEqual(tags);
          alone += scores.filter((own, word) => labels[own.indexOf(Math.max(...own))] !== tags[word]).length;
        }
        // Otherwise the test would say nothing of paths.
        expect(alone).toBeGreaterThan(0);
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
    },
  );
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
