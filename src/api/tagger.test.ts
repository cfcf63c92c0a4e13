import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Backend } from "../backend/backend.ts";
import { Random } from "../base/random.ts";
import type { TaggedSentence, TaggedSource } from "../data/tagged-sentence.ts";
import { bertConfig } from "../models/bert/config.ts";
import { bert } from "../models/bert/family.ts";
import { openEngine } from "../runtime.ts";
import { testTokenizer } from "../tasks/testing.ts";
import { tokenClassification } from "../tasks/token-classification.ts";
import { exportModel } from "./export.ts";
import { finetuneTagging } from "./finetune-tagging.ts";
import { loadClassifier } from "./load.ts";
import { loadTagger, openTagger } from "./tagger.ts";

const tokenizer = testTokenizer();
const config = bertConfig({
  ...{ vocabSize: tokenizer.vocabSize, hiddenSize: 32, numHiddenLayers: 2, numAttentionHeads: 2 },
  ...{ intermediateSize: 64, maxPositionEmbeddings: 32, hiddenDropoutProb: 0, attentionProbsDropoutProb: 0 },
});

/** "good" begins an entity, "film" and "book" go on with it. */
function sentences(count: number, seed: number): TaggedSource {
  const random = new Random(seed, "sentences");
  const all = ["good film", "good book", "good", "very", "so", "the"];
  return {
    name: "generated",
    sentences: async function* (): AsyncGenerator<TaggedSentence> {
      for (let line = 1; line <= count; line++) {
        const words = Array.from({ length: 2 + random.nextInt(5) }, () => all[random.nextInt(all.length)]!)
          .join(" ")
          .split(" ");
        const tags = words.map((word) => {
          if (word === "good") return "B-x";
          return word === "film" || word === "book" ? "I-x" : "O";
        });
        yield { words, tags, line };
      }
    },
  };
}

describe("taggers", () => {
  let engine: Backend;
  let folder: string;
  beforeAll(async () => {
    engine = await openEngine({ threads: 1 });
    folder = await mkdtemp(join(tmpdir(), "firth-tagger-"));
  });
  afterAll(async () => {
    await engine.dispose();
    await rm(folder, { recursive: true, force: true });
  });

  it("learn entities, and find them in a loaded directory (bug: places of a packed batch)", async () => {
    const task = tokenClassification({ tokenizer, maxSeqLength: 16, overlap: 4 });
    const files = { train: sentences(256, 1), eval: sentences(64, 2) };
    const options = { engine, numEpochs: 4, batchSize: 16, learningRate: 5e-3, seed: 3 };
    const tagger = await finetuneTagging(bert(config, { seed: 5 }), task, files, options);
    expect(tagger.evaluation!.entities!.micro.f1).toBeGreaterThan(0.9);
    await tagger.save(join(folder, "model"));
    const loaded = await loadTagger(join(folder, "model"));
    expect([loaded.labels, loaded.newParameters, loaded.maxSeqLength]).toEqual([["B-x", "I-x", "O"], [], 16]);
    const predictor = await openTagger(loaded, { engine });
    expect(await predictor.evaluate(sentences(64, 2))).toEqual(tagger.evaluation);
    const [words, text, none] = await predictor.tag([["so", "good", "film"], "👍 the  good film", " "]);
    expect(words!.words.map(({ tag }) => tag)).toEqual(["O", "B-x", "I-x"]);
    expect(words!.entities).toMatchObject([
      { type: "x", text: "good film", start: 3, end: 12, firstWord: 1, endWord: 3 },
    ]);
    // The thumb is two UTF-16 units and one code point.
    const place = { start: 8, end: 17, codePointStart: 7, codePointEnd: 16 };
    expect(text!.entities).toContainEqual(expect.objectContaining({ text: "good film", ...place }));
    expect(none).toEqual({ text: " ", words: [], entities: [] });
    await predictor.dispose();

    // A head for the same tags is kept: one more step at no rate changes nothing.
    const further = await finetuneTagging(join(folder, "model"), task, files, {
      ...options,
      numEpochs: 1,
      learningRate: 1e-12,
    });
    expect(further.evaluation!.accuracy).toBe(tagger.evaluation!.accuracy);
    await expect(loadClassifier(join(folder, "model"))).rejects.toThrow();
  });

  it("learn scores of neighbouring tags, which are saved, and predict along the best path (bug: a chain left behind)", async () => {
    const task = tokenClassification({ tokenizer, maxSeqLength: 16, overlap: 4, crf: true, constrained: true });
    const files = { train: sentences(256, 1), eval: sentences(64, 2) };
    const options = { engine, numEpochs: 4, batchSize: 16, learningRate: 5e-3, seed: 3 };
    const tagger = await finetuneTagging(bert(config, { seed: 5 }), task, files, options);
    expect(tagger.evaluation!.entities!.micro.f1).toBeGreaterThan(0.9);
    expect(Math.max(...tagger.weights.get("crf.transitions")!.map(Math.abs))).toBeGreaterThan(0.1);
    const folderOf = join(folder, "crf");
    await tagger.save(folderOf);
    const loaded = await loadTagger(folderOf);
    expect([loaded.newParameters, loaded.preserved]).toEqual([[], { tag_scheme: "IOB2" }]);
    const predictor = await openTagger(loaded, { engine });
    expect(await predictor.evaluate(sentences(64, 2))).toEqual(tagger.evaluation);
    const [text] = await predictor.tag(["so good film"]);
    expect(text!.words.map(({ tag }) => tag)).toEqual(["O", "B-x", "I-x"]);
    expect(text!.words.every(({ probability }) => probability > 0 && probability <= 1)).toBe(true);
    await predictor.dispose();
    const rounded = await openTagger(loaded, { engine, quantize: "int8" });
    expect((await rounded.evaluate(sentences(64, 2))).accuracy).toBeGreaterThan(0.9);
    await rounded.dispose();
    const exported = await exportModel(folderOf, { outputDir: join(folder, "export") });
    expect(exported.files[0]!.outputs).toEqual(["logits", "transitions", "start_transitions", "end_transitions"]);
    expect(loaded.notices.join()).not.toContain("tag_scheme");
  });

  it("problems are told together", async () => {
    const task = tokenClassification({ tokenizer, maxSeqLength: 64 });
    const files = { train: sentences(4, 1) };
    const options = { selectionFigure: "f2", learningRate: -1 };
    await expect(finetuneTagging(bert(config, { seed: 1 }), task, files, options)).rejects.toThrow(
      /selectionFigure[\s\S]*learningRate[\s\S]*maxSeqLength/,
    );
  });
});
