import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { pairedModel } from "../../../tests/support/paired-words.ts";
import { runCommand } from "../../../tests/support/run-command.ts";
import { featureSize, saveFeatureModel } from "../../api/feature-model.ts";
import { type LearntTask, saveMultiTask, taskShapes } from "../../api/multi-task-model.ts";
import { MultiTaskModel } from "../../models/multi-task.ts";
import { initialWeights } from "../../nn/weights.ts";
import { FeatureHead } from "../../tasks/feature-head.ts";

let folder: string;
const at = (name: string): string => join(folder, name);
const model = pairedModel();
const common = { maxSeqLength: 16, labelColumn: "label", facts: {}, settings: {} };
const tasks: readonly LearntTask[] = [
  {
    ...{ ...common, name: "rte", kind: "textClassification", labels: ["entailment", "not_entailment"] },
    textColumns: ["sentence1", "sentence2"],
    head: { kind: "stochasticAnswer", numSteps: 5, stepDropout: 0.1, dropout: 0.1 },
    judged: { figure: "accuracy", figures: { accuracy: 0.75, f1: 0.5 } },
  },
  {
    ...{ ...common, name: "stsb", kind: "textRegression", labels: ["score"], textColumns: [0, 1] },
    head: { kind: "linear" },
  },
  {
    ...{ ...common, name: "ner", kind: "tokenClassification", labels: ["B-A", "I-A", "O"], textColumns: [] },
    head: { kind: "tokenClassification", crf: true },
    judged: { figure: "f1", figures: {} },
  },
];
const features = { layers: [0, 2], poolings: ["mean", "max"] as const, hiddenSize: 8, dropout: 0.25 };

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "firth-info-"));
  const module = new MultiTaskModel(model.family, model.config, taskShapes(tasks));
  await saveMultiTask(at("several"), { ...model, module, weights: initialWeights(module, 1), tasks });
  const size = featureSize(features, model.module.encoder);
  const labels = ["no", "yes"];
  const head = new FeatureHead({ ...features, size, numLabels: labels.length });
  const { tokenizer, ...encoder } = model;
  await saveFeatureModel(at("features"), {
    ...{ encoder, features, head, weights: initialWeights(head, 1), tokenizer, maxSeqLength: 16, labels },
  });
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe("info", () => {
  it("lists the tasks of a model of several with heads, classes and figures (bug: a model that looks like a bare encoder)", async () => {
    const { out } = await runCommand("info", at("several"));
    expect(out).toMatch(/tasks +rte, stsb, ner; [\d,]+ parameters in their heads/);
    expect(out).toMatch(/task rte +textClassification, up to 16 tokens, columns sentence1, sentence2, label\n/);
    expect(out).toMatch(/head +stochastic answer network \(5 steps, 0\.1 of them left out, dropout 0\.1\)\n/);
    expect(out).toMatch(/gives +2: entailment, not_entailment\n/);
    expect(out).toMatch(/held out +accuracy\* 0\.75\d*, f1 0\.5\d* \(\* decides\)\n/);
    expect(out).toMatch(/task stsb .*columns 0, 1, label\n +head +linear\n +gives +a number\n/);
    expect(out).toMatch(/head +over every token, with a CRF\n +gives +3: B-A, I-A, O\n +judged by +f1\n/);
    const { out: json } = await runCommand("info", at("several"), "--json");
    expect(JSON.parse(json)).toMatchObject({ kind: "model", tasks, headParameters: expect.any(Number) });
  });

  it("tells which vectors a head reads (bug: layers and pooling that only the file knows)", async () => {
    const { out } = await runCommand("info", at("features"));
    expect(out).toMatch(/reads +mean, max of layers 0, 2 \(0: embeddings\)\n/);
    // Two layers by two poolings of width 32, into 8 units, into 2 classes.
    const numParameters = 2 * 2 * 32 * 8 + 8 + 8 * 2 + 2;
    expect(out).toContain(`${numParameters.toLocaleString("en")} parameters, 8 units inside, dropout 0.25`);
    expect(out).toMatch(/gives +2: no, yes\n/);
    const { out: json } = await runCommand("info", at("features"), "--json");
    expect(JSON.parse(json)).toMatchObject({
      featureHead: { ...features, labels: ["no", "yes"], facts: null },
      headParameters: numParameters,
    });
  });

  it("says what is wrong with a damaged description, naming its file", async () => {
    const file = join(at("features"), "feature_head.json");
    const text = await readFile(file, "utf8");
    await writeFile(file, text.replace('"mean"', '"median"'));
    expect((await runCommand("info", at("features"))).error).toContain("must name layers from 0 on and poolings");
    await writeFile(join(at("several"), "tasks.json"), "{}");
    expect((await runCommand("info", at("several"))).error).toContain("tasks.json: must list tasks");
  });
});
