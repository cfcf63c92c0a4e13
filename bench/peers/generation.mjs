// Compares writing with GPT-2, keys and values kept: Firth beside PyTorch with transformers.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { root } from "../section.mjs";
import { firth } from "./firth-start.mjs";
import { newTokens, promptsOf, works } from "./generation-cases.mjs";
import { renderGeneration } from "./generation-section.mjs";
import { keepRecords, measureGroups, peerEnvironment, readPart, replaceByKey, withSurroundings } from "./part.mjs";
import { pythonOf } from "./programs.mjs";

const kinds = {
  f32: { label: "Firth, f32", args: [] },
  int8: { label: "Firth, int8", args: ["--quantize", "int8"] },
  bf16: { label: "Firth, oneDNN bf16", args: ["--engine", "onednn", "--dtype", "bf16"] },
};

export const generationUsage = `generation [options]   writing with GPT-2, into bench/results/generation.md
  --works LIST      ${Object.keys(works).join(",")}      --ours LIST   ${Object.keys(kinds).join(",")}
  --rounds N        turns of each side (each work's own)      --threads N   threads of every side
  --malloc tuned|stock   --memory GB   --json`;

const script = (name) => join(root, "bench", "peers", name);

function readOptions(args) {
  const { values, number, list, common } = readPart(args, ["works", "ours", "rounds", "threads"], ["json"]);
  return {
    ...common,
    json: values.json,
    ...{ works: list("works", Object.keys(works)), ours: list("ours", Object.keys(kinds)) },
    ...{ rounds: number("rounds", 1), threads: number("threads", 1) },
  };
}

/** GPT-2 small with random weights, and the prompts of each work. */
async function prepare(folder, { source }) {
  const { Bpe, gpt2, gpt2Config, saveModel } = await firth(source);
  // All prompts are ids: the tokenizer is only there because a model directory has one.
  const tokenizer = await Bpe.train(["all prompts are ids"], { vocabSize: 300, byteLevel: true });
  const model = join(folder, "model");
  await saveModel(model, { ...gpt2(gpt2Config({ preset: "small" }), { seed: 1 }), tokenizer });
  const files = {};
  for (const [work, { batch }] of Object.entries(works)) {
    files[work] = join(folder, `${work}.json`);
    writeFileSync(files[work], JSON.stringify(promptsOf(batch)));
  }
  return { model, files };
}

function sidesOf(work, { model, files }, { threads, malloc, source, ours }, python) {
  const limited = threads === undefined ? [] : ["--threads", String(threads)];
  const shared = ["--model", model, "--prompts", files[work], "--tokens", String(newTokens), ...limited];
  const node = [...(source ? ["--import", "tsx"] : []), script("firth-generation.mjs"), ...shared];
  return [
    ...ours.map((id) => ({
      ...{ id, ours: true, gigabytes: 2.5, label: kinds[id].label, command: process.execPath, shown: "node" },
      args: [...node, ...kinds[id].args, ...(source ? ["--source"] : [])],
    })),
    ...["f32", "bf16"].map((dtype) => ({
      ...{ id: `pytorch-${dtype}`, ours: false, gigabytes: 1.5, label: `PyTorch ${dtype}`, command: python },
      ...{ shown: "python", args: [script("pytorch_generation.py"), ...shared, "--dtype", dtype] },
      env: peerEnvironment(malloc),
    })),
  ];
}

/** Runs the chosen works and writes the section; works that are not run again keep their earlier figures. */
export async function runGeneration(args) {
  const options = readOptions(args);
  const python = pythonOf(options.python, ["torch", "transformers"]);
  const folder = mkdtempSync(join(tmpdir(), "firth-generation-"));
  try {
    const prepared = await prepare(folder, options);
    const measure = (work) =>
      withSurroundings(async () => {
        const { gigabytes, rounds } = options;
        const protocol = { ...works[work].protocol, ...(rounds === undefined ? {} : { rounds }) };
        const tell = (message) => console.error(`${work}: ${message}`);
        const shown = (command) => command.replaceAll(folder, "WORK");
        const groups = await measureGroups(sidesOf(work, prepared, options, python), {
          gigabytes,
          protocol,
          tell,
          shown,
        });
        return { work, protocol, groups };
      });
    const section = { part: "generation", render: renderGeneration, join: replaceByKey(({ work }) => work) };
    const measured = await keepRecords(options.works, measure, section);
    if (options.json) for (const one of measured) console.log(JSON.stringify(one));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
