import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, it } from "vitest";
import { projectFolder as root, runExample } from "../support/run-example.ts";

const example = await readFile(join(root, "examples/pretrain-bert.ts"), "utf8");
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "firth-readme-"));
});
afterAll(async () => {
  await rm(folder, { recursive: true });
});

it("README shows the example as it is (bug: the two drift apart)", async () => {
  expect(await readFile(join(root, "README.md"), "utf8")).toContain(example.trim());
});

it("the README's program runs, shrunk, and leaves a model directory (bug: the shown API does not exist)", async () => {
  const words = ["rain", "sun", "wind", "cold", "warm", "day", "night", "sea", "hill", "road"];
  const sentence = (i: number) =>
    `${Array.from({ length: 9 }, (_, k) => words[(i * 7 + k * (1 + (i % 3))) % 10]).join(" ")}.`;
  const documents = Array.from({ length: 200 }, (_, d) => `${sentence(d)} ${sentence(d + 5)}\n`);
  await mkdir(join(folder, "corpus"));
  await writeFile(join(folder, "corpus", "weather.txt"), documents.join("\n"));
  const table = Array.from(
    { length: 24 },
    (_, i) => `${i % 2 === 0 ? "warm sun" : "cold rain"} ${sentence(i)},${i % 2 === 0 ? "positive" : "negative"}`,
  );
  for (const name of ["train.csv", "dev.csv", "test.csv"]) {
    await writeFile(join(folder, name), `text,label\n${table.join("\n")}\n`);
  }
  // Only sizes are changed.
  const stdout = await runExample("pretrain-bert.ts", folder, [
    ["vocabSize: 8_000", "vocabSize: 100"],
    ['preset: "mini"', 'preset: "tiny"'],
    ["maxSteps: 20_000, batchSize: 64", "maxSteps: 6, batchSize: 8"],
    ["evalFraction: 0.01", "evalFraction: 0.2"],
    ["warmupSteps: 1_000", "warmupSteps: 2"],
    ["numEpochs: 3", "numEpochs: 1"],
  ]);
  expect(stdout).toMatch(/held-out loss \(nats a masked token\): \d\.\d+/);
  expect(stdout).toMatch(/accuracy: [01]/);
  const files = await readdir(join(folder, "models/sentiment"));
  for (const name of ["config.json", "model.safetensors", "tokenizer.json"]) expect(files).toContain(name);
});

const peers = process.env.FIRTH_PEER_NODE;
it.skipIf(peers === undefined)(
  "the README's transformers.js program classifies with the exported model (skipped without FIRTH_PEER_NODE, see bench/peers)",
  async () => {
    const { exportModel } = await import("../../src/api/export.ts");
    await exportModel(join(folder, "models/sentiment"), { outputDir: join(folder, "exported/sentiment") });
    const readme = await readFile(join(root, "README.md"), "utf8");
    const [, program] = /```js\n(import \{ env, pipeline \}[^`]*)```/.exec(readme)!;
    const entry = createRequire(join(resolve(peers!), "index.js")).resolve("@huggingface/transformers");
    // Of the two entries, that for import.
    const module = pathToFileURL(entry.replace(/\.cjs$/, ".mjs"));
    await writeFile(join(folder, "classify.mjs"), program!.replace('"@huggingface/transformers"', `"${module}"`));
    const { stdout } = await promisify(execFile)(process.execPath, ["classify.mjs"], { cwd: folder });
    expect(stdout).toMatch(/label: '(negative|positive)'/);
  },
);
