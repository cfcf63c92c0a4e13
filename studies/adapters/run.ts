/**
 * Fine-tunes a pre-trained model for SST-2 in full, by LoRA, by small networks inside the layers, and with the encoder
 * frozen: held-out accuracy, seconds, trained parameters and memory, as lines of JSON and a table.
 *
 *     npx tsx studies/adapters/run.ts MODEL DATA [--methods full,lora-8] [--seeds 1,2,3] [--epochs 1]
 *         [--engine onednn --dtype bf16 --threads 1]
 */
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { type AdapterOptions, finetune, loadTokenizer, textClassification, tsv } from "../../src/index.ts";
import { movesWithAdapter } from "../../src/models/adapter/attach.ts";
import { namedParameters } from "../../src/nn/module.ts";
import { engineOptions, studyEngine } from "../engine.ts";

const text = { type: "string" } as const;
const { values, positionals } = parseArgs({
  options: { methods: text, seeds: text, epochs: text, ...engineOptions },
  allowPositionals: true,
});
const [model = "", data = "../shared/data"] = positionals;
const { methods: chosen = "all", seeds: seedList = "1,2,3", epochs = "1" } = values;

interface Method {
  readonly learningRate: number;
  readonly freeze?: "encoder";
  readonly adapter?: AdapterOptions;
}

const all = ["query", "key", "value", "attentionOutput", "intermediate", "output"] as const;
const methods: Readonly<Record<string, Method>> = {
  full: { learningRate: 3e-4 },
  "lora-8": { learningRate: 2e-3, adapter: { kind: "lora", rank: 8, alpha: 16 } },
  "lora-8-all": { learningRate: 2e-3, adapter: { kind: "lora", rank: 8, alpha: 16, targets: all } },
  "houlsby-64": { learningRate: 2e-3, adapter: { kind: "houlsby", size: 64 } },
  "pfeiffer-64": { learningRate: 2e-3, adapter: { kind: "pfeiffer", size: 64 } },
  frozen: { learningRate: 2e-3, freeze: "encoder" },
};
const names = chosen === "all" ? Object.keys(methods) : chosen.split(",");
const unknown = names.find((name) => methods[name] === undefined);
if (unknown !== undefined) throw new Error(`${unknown} is not a method: ${Object.keys(methods).join(", ")}.`);

const tokenizer = await loadTokenizer(model);
const task = textClassification({ tokenizer, maxSeqLength: 128, textColumns: 0, labelColumn: 1 });
const table = (name: string) => tsv(join(data, "sst2", name), { header: false });
const tables = { train: table("train.tsv.gz"), eval: table("dev.tsv") };
const { engine, dtype, told } = await studyEngine(values);
const rows: string[] = [];
for (const name of names) {
  const { learningRate, ...method } = methods[name]!;
  for (const seed of seedList.split(",").map(Number)) {
    let memory = "";
    let seconds = 0;
    const options = { numEpochs: Number(epochs), batchSize: 32, learningRate, seed, engine, dtype, ...method };
    const { evaluation, module } = await finetune(model, task, tables, {
      ...options,
      listener: (event) => {
        if (event.kind === "notice" && event.message.startsWith("memory: ")) memory = event.message;
        if (event.kind === "step") seconds += event.stepSeconds;
      },
    });
    const parameters = [...namedParameters(module)];
    const moves = name === "full" ? () => true : movesWithAdapter(module);
    const sizes = (wanted: (parameter: string) => boolean): number =>
      parameters
        .filter(([key]) => wanted(key))
        .reduce((sum, [, { shape }]) => sum + shape.reduce((a, b) => a * b, 1), 0);
    const bytes = (pattern: RegExp): string => pattern.exec(memory)?.[1] ?? "";
    const run = {
      ...{ name, seed, accuracy: evaluation!.accuracy, seconds, trained: sizes(moves), parameters: sizes(() => true) },
      ...{ state: bytes(/peak: (\S+ \S+) weights/), activations: bytes(/, (\S+ \S+) activations/) },
    };
    process.stderr.write(`${JSON.stringify(run)}\n`);
    const cells = [name, seed, run.accuracy.toFixed(3), seconds.toFixed(1), run.trained, run.state, run.activations];
    rows.push(`| ${cells.join(" | ")} |`);
  }
}
await engine.dispose();
const header = [
  "method",
  "seed",
  "accuracy",
  "seconds",
  "trained parameters",
  "weights, gradients, moments",
  "activations",
];
process.stdout.write(`${told}\n\n| ${header.join(" | ")} |\n|${"---|".repeat(header.length)}\n${rows.join("\n")}\n`);
