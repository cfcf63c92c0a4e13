import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Backend } from "../backend/backend.ts";
import { parseQuestions } from "../data/question-file.ts";
import type { TaggedSource } from "../data/tagged-sentence.ts";
import { isAdapterParameter, movesWithAdapter } from "../models/adapter/attach.ts";
import { familyNamed, familyOf } from "../models/families.ts";
import type { ModelState } from "../models/family.ts";
import { isCarried, type PretrainingModel } from "../models/model.ts";
import type { Module } from "../nn/module.ts";
import { initialWeights } from "../nn/weights.ts";
import { openEngine } from "../runtime.ts";
import { multipleChoice } from "../tasks/multiple-choice.ts";
import { questionAnswering } from "../tasks/question-answering.ts";
import { retrieval } from "../tasks/retrieval.ts";
import { sequenceToSequence } from "../tasks/sequence-to-sequence.ts";
import { testTable, testTokenizer } from "../tasks/testing.ts";
import { textClassification } from "../tasks/text-classification.ts";
import { tokenClassification } from "../tasks/token-classification.ts";
import { ulmfit } from "../transfer/strategy.ts";
import { explainTransfer } from "./explain-transfer.ts";
import { finetune } from "./finetune.ts";
import { finetuneMultipleChoice } from "./finetune-multiple-choice.ts";
import type { FinetuneOptions } from "./finetune-option.ts";
import { finetuneQuestionAnswering } from "./finetune-question-answering.ts";
import { finetuneRetrieval } from "./finetune-retrieval.ts";
import { finetuneSequenceToSequence } from "./finetune-sequence-to-sequence.ts";
import { finetuneTagging } from "./finetune-tagging.ts";
import { saveModel } from "./model.ts";

const tokenizer = testTokenizer();
const { special } = tokenizer;

type Start = ModelState<PretrainingModel>;

function tinyStart(name: string): Start {
  const family = familyNamed(name);
  const sizes = {
    hiddenSize: 16,
    numHiddenLayers: 2,
    numAttentionHeads: 2,
    intermediateSize: 32,
    maxPositionEmbeddings: 32,
  };
  const config = family.configure(sizes, { vocabSize: tokenizer.vocabSize, special });
  const module = family.pretraining(config);
  return { family, config, module, weights: initialWeights(module, 5) };
}

const tags: TaggedSource = {
  name: "tags",
  sentences: async function* () {
    for (let line = 1; line <= 8; line++) yield { words: ["good", "film"], tags: ["B-x", "O"], line };
  },
};
const questions = parseQuestions(
  {
    data: [
      {
        paragraphs: Array.from({ length: 8 }, (_, i) => ({
          context: "the plot so good",
          qas: [{ id: `${i}`, question: "the film ?", answers: [{ text: "good", answer_start: 12 }] }],
        })),
      },
    ],
  },
  "questions",
);
const pairs = testTable(
  "pairs",
  Array.from({ length: 8 }, () => ({ source: "good film", target: "film good" })),
);
const found = testTable(
  "found",
  ["good", "bad", "film", "book", "plot", "cast", "very", "so"].map((word) => ({
    question: word,
    answer: `the ${word}`,
  })),
);
const choices = testTable(
  "choices",
  Array.from({ length: 8 }, (_, i) => ({ text: "the film", option0: "good", option1: "bad", label: i % 2 })),
);

type Run = (
  start: Start,
  options: FinetuneOptions,
) => Promise<ModelState<Module> & { save(folder: string): Promise<void> }>;
const runs: Readonly<Record<string, readonly [family: string, run: Run]>> = {
  tags: [
    "gpt2",
    (start, options) =>
      finetuneTagging(
        start,
        tokenClassification({ tokenizer, maxSeqLength: 16, overlap: 4 }),
        { train: tags },
        options,
      ),
  ],
  answers: [
    "bert",
    (start, options) =>
      finetuneQuestionAnswering(
        start,
        questionAnswering({ tokenizer, maxSeqLength: 20, maxQueryLength: 4, docStride: 6 }),
        { train: questions },
        options as object,
      ),
  ],
  writing: [
    "bart",
    (start, options) =>
      finetuneSequenceToSequence(
        start,
        sequenceToSequence({ tokenizer, maxSourceLength: 8, maxTargetLength: 8 }),
        { train: pairs },
        options as object,
      ),
  ],
  choice: [
    "albert",
    (start, options) =>
      finetuneMultipleChoice(
        start,
        multipleChoice({ tokenizer, maxSeqLength: 16, questionColumn: "text", optionColumns: ["option0", "option1"] }),
        { train: choices },
        options,
      ),
  ],
  retrieval: [
    "roberta",
    (start, options) => finetuneRetrieval(start, retrieval({ tokenizer, maxSeqLength: 16 }), { train: found }, options),
  ],
};

describe("adapters in every task", () => {
  let engine: Backend;
  let root: string;
  beforeAll(async () => {
    engine = await openEngine({ threads: 1 });
    root = await mkdtemp(join(tmpdir(), "firth-adapter-task-"));
  });
  afterAll(async () => {
    await engine.dispose();
    await rm(root, { recursive: true, force: true });
  });

  it.each(Object.entries(runs))(
    "%s: the model stays, the adapter moves, and both are loaded (bug: an option that one function ignores)",
    async (name, [family, run]) => {
      const start = tinyStart(family);
      const before = new Map(start.weights);
      const options = { engine, maxSteps: 3, batchSize: 4, learningRate: 1e-2 };
      const tuned = await run(start, { ...options, adapter: { kind: "lora", rank: 2 } });
      expect([...start.weights]).toEqual([...before]);
      const moved = [...tuned.weights].filter(([key]) => isAdapterParameter(key));
      expect(moved.length).toBeGreaterThan(0);
      for (const [key, data] of moved)
        expect(
          data.some((value) => value !== 0),
          key,
        ).toBe(true);
      for (const [key, data] of start.weights) {
        if (isCarried(key) && !key.startsWith("encoder.pooler.")) expect(tuned.weights.get(key), key).toEqual(data);
      }
      const [folder, base] = [join(root, name), join(root, `${name}-base`)];
      await tuned.save(folder);
      expect(await readdir(folder)).toContain("adapter_model.safetensors");
      await saveModel(base, { ...start, tokenizer });
      const loaded = await (await familyOf(folder)).loadAny(folder, 9, { base });
      expect(loaded.newParameters).toEqual([]);
      const isOwn = movesWithAdapter(tuned.module);
      for (const [key, data] of loaded.weights) if (isOwn(key)) expect(data, key).toEqual(tuned.weights.get(key));
    },
  );

  it("are told by name in what trains when, and take part in unfreezing (bug: the model's layers among what is trained)", async () => {
    const task = textClassification({ tokenizer, maxSeqLength: 16 });
    const table = testTable(
      "texts",
      Array.from({ length: 8 }, (_, i) => ({ text: "good film", label: `${i % 2}` })),
    );
    const tell = (options: FinetuneOptions) =>
      explainTransfer((given) => finetune(tinyStart("bert"), task, { train: table }, given), {
        batchSize: 4,
        ...options,
      });
    const adapter = { kind: "lora", rank: 2 } as const;
    const plain = await tell({ adapter, numEpochs: 3 });
    expect(plain.stages).toHaveLength(1);
    const [stage] = plain.stages;
    // Query and value of two layers: each 2 × 16 twice; pooler and head.
    expect(stage!.numParameters).toBe(2 * 2 * (32 + 32) + (16 * 16 + 16) + (2 * 16 + 2));
    expect(stage!.groups.map(({ name }) => name)).toEqual(["lora in layers 0–1, pooler, head"]);
    const { languageTuning: _none, ...strategy } = ulmfit();
    const gradual = await tell({ adapter, numEpochs: 4, ...strategy });
    expect(gradual.stages.map(({ groups }) => groups.map(({ name }) => name).join("; "))).toEqual([
      "pooler, head",
      "lora in layer 1; pooler, head",
      "lora in layer 0; lora in layer 1; pooler, head",
    ]);
    await expect(tell({ adapter, ...ulmfit() })).rejects.toThrow(/ADAPTER_AND_LANGUAGE/);
  });
});
