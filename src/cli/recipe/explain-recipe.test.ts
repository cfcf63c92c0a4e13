import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import { stringify } from "yaml";
import { saveModel } from "../../api/model.ts";
import { bertConfig } from "../../models/bert/config.ts";
import { bert } from "../../models/bert/family.ts";
import { testTokenizer } from "../../tasks/testing.ts";
import { createProgram } from "../program.ts";

const tokenizer = testTokenizer();
const config = bertConfig({
  ...{ vocabSize: tokenizer.vocabSize, hiddenSize: 16, numHiddenLayers: 2, numAttentionHeads: 2, intermediateSize: 32 },
  maxPositionEmbeddings: 32,
});

let folder = "";
let recipe = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "firth-explain-"));
  await saveModel(join(folder, "model"), { ...bert(config, { seed: 1 }), tokenizer });
  const rows = Array.from({ length: 10 }, (_, i) => `${i % 2 === 0 ? "good film" : "bad film"}\t${i % 2}`);
  await writeFile(join(folder, "train.tsv"), `text\tlabel\n${rows.join("\n")}\n`);
  recipe = join(folder, "recipe.yaml");
  const transfer = { unfreezing: { name: "gradual", everySteps: 2 }, layerRateFactor: 2 };
  await writeFile(
    recipe,
    stringify({
      ...{ kind: "finetune", outputDir: join(folder, "run"), model: join(folder, "model"), transfer },
      task: { name: "textClassification", textColumns: "text", labelColumn: "label", maxSeqLength: 16 },
      data: { train: join(folder, "train.tsv") },
      train: { numEpochs: 4, batchSize: 5, learningRate: 0.01, decay: "constant", warmupSteps: 0 },
    }),
  );
});
afterAll(() => rm(folder, { recursive: true, force: true }));
afterEach(() => {
  vi.restoreAllMocks();
  process.exitCode = undefined;
});

/** What the command prints: its result, or why there is none. */
async function run(...args: string[]): Promise<string> {
  let [out, told] = ["", ""];
  process.exitCode = undefined;
  vi.spyOn(process.stdout, "write").mockImplementation((text) => {
    out += String(text);
    return true;
  });
  vi.spyOn(process.stderr, "write").mockImplementation((text) => {
    told += String(text);
    return true;
  });
  await createProgram().parseAsync(["node", "firth", "finetune", recipe, "--explain", ...args]);
  return process.exitCode === undefined ? out : told;
}

test("firth finetune --explain prints what trains when, and makes no folder (bugs: a run that begins, rates of another stage)", async () => {
  const lines = (await run()).trimEnd().split("\n");
  expect(lines.slice(0, 2)).toEqual([
    "bert, 5,602 parameters (pre-trained weights; all of them trained)",
    "10 examples, 5 a step, 8 steps; rate: 0.01 at its peak, 0 steps of warm-up, then constant",
  ]);
  expect(lines.slice(3).map((line) => line.trim().split(/\s{2,}/))).toEqual([
    ["steps", "epochs", "trained", "parameters", "first rate", "highest", "last", "loss"],
    ["stage 1", "1–2", "0–1", "pooler, head", "306", "1.0e-2", "1.0e-2", "1.0e-2", "classification"],
    ["stage 2", "3–4", "1–2", "layer 1", "2,224", "5.0e-3", "5.0e-3", "5.0e-3", "classification"],
    ["pooler, head", "306", "1.0e-2", "1.0e-2", "1.0e-2"],
    ["stage 3", "5–6", "2–3", "layer 0", "2,224", "2.5e-3", "2.5e-3", "2.5e-3", "classification"],
    ["layer 1", "2,224", "5.0e-3", "5.0e-3", "5.0e-3"],
    ["pooler, head", "306", "1.0e-2", "1.0e-2", "1.0e-2"],
    ["stage 4", "7–8", "3–4", "embeddings", "848", "1.3e-3", "1.3e-3", "1.3e-3", "classification"],
    ["layer 0", "2,224", "2.5e-3", "2.5e-3", "2.5e-3"],
    ["layer 1", "2,224", "5.0e-3", "5.0e-3", "5.0e-3"],
    ["pooler, head", "306", "1.0e-2", "1.0e-2", "1.0e-2"],
  ]);
  expect(existsSync(join(folder, "run"))).toBe(false);
});

test("with --json the same as data; problems of recipe and model are told together", async () => {
  const { stages, text, maxSteps } = JSON.parse(await run("--json")) as Record<string, unknown>;
  expect(maxSteps).toBe(8);
  expect(stages).toHaveLength(4);
  expect(String(text)).toContain("stage 4");
  expect(await run("--set", "train.numEpochs=2")).toMatch(/UNFREEZING_TOO_LONG/);
  const wrong = await run("--set", "transfer.freeze=[5]", "--set", "task.maxSeqLength=64");
  expect(wrong).toMatch(/task\.maxSeqLength[\s\S]*transfer\.freeze\.0/);
});

test("a head over vectors, and several tasks over one encoder, are told as well (bugs: refused; vectors that are computed)", async () => {
  const features = (await run("--set", "transfer={features: {layers: [1, 2], pooling: [mean, max]}}"))
    .trimEnd()
    .split("\n");
  // 2 classes from 2 layers, 2 poolings and 16 entries.
  expect(features[0]).toBe("bert, 5,698 parameters (pre-trained weights; 5,568 of them never trained)");
  expect(features[4]!.trim().split(/\s{2,}/)).toEqual([
    ...["stage 1", "1–8", "0–4", "head over vectors (layers 1, 2; mean, max)", "130"],
    ...["1.0e-2", "1.0e-2", "1.0e-2", "classification"],
  ]);
  expect(existsSync(join(folder, "run"))).toBe(false);
  const one = { name: "textClassification", textColumns: "text", labelColumn: "label", maxSeqLength: 16 };
  const data = { train: join(folder, "train.tsv") };
  const several = {
    ...{ kind: "finetune", outputDir: join(folder, "run"), model: join(folder, "model") },
    tasks: { first: { task: one, data }, second: { task: one, data } },
    train: { numEpochs: 2, batchSize: 5 },
    single: { numEpochs: 1 },
  };
  await writeFile(join(folder, "several.yaml"), stringify(several));
  const single = recipe;
  recipe = join(folder, "several.yaml");
  const told = await run();
  recipe = single;
  expect(told).toMatch(/20 examples, 5 a step, 8 steps/);
  expect(told).toMatch(
    /embeddings, layers 0–1, pooler, head .* classification \| classification|first\.classification/,
  );
  expect(existsSync(join(folder, "run"))).toBe(false);
});
