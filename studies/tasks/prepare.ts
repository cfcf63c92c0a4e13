/**
 * Splits and renames what no reader takes as it is, or what has no held-out part.
 *
 *     npx tsx studies/tasks/prepare.ts DATA
 */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { gunzipSync } from "node:zlib";
import { preparedFolder } from "./cases.ts";

const [data = "../shared/data"] = process.argv.slice(2);
await mkdir(preparedFolder, { recursive: true });

async function read(name: string, encoding: BufferEncoding = "utf8"): Promise<string> {
  const bytes = await readFile(join(data, name));
  return (name.endsWith(".gz") ? gunzipSync(bytes) : bytes).toString(encoding);
}

const write = (name: string, text: string): Promise<void> => writeFile(join(preparedFolder, name), text);
const linesOf = (text: string): string[] => text.split(/\r?\n/).filter((line) => line !== "");

/** Every so manieth line is held out. */
async function split(name: string, header: string, lines: readonly string[], every: number): Promise<void> {
  const isHeld = (_line: string, i: number): boolean => i % every === every - 1;
  const held = lines.filter(isHeld);
  const rest = lines.filter((line, i) => !isHeld(line, i));
  await write(`${name}-train.tsv`, `${[header, ...rest].join("\n")}\n`);
  await write(`${name}-dev.tsv`, `${[header, ...held].join("\n")}\n`);
}

// GLUE's development set is both parts.
const cola = await Promise.all(["in_domain_dev.tsv", "out_of_domain_dev.tsv"].map((name) => read(`cola/${name}`)));
await write("cola-dev.tsv", `${cola.map((part) => part.trimEnd()).join("\n")}\n`);

for (const [name, part] of [
  ["stsb/sts-train.csv.gz", "train"],
  ["stsb/sts-dev.csv", "dev"],
] as const) {
  const rows = linesOf(await read(name)).map((line) => line.split("\t"));
  const kept = rows.map(([, , , , score, sentence1, sentence2]) => `${sentence1}\t${sentence2}\t${score}`);
  await write(`stsb-${part}.tsv`, `${["sentence1\tsentence2\tscore", ...kept].join("\n")}\n`);
}

const [header = "", ...qnli] = linesOf(await read("qnli/dev.tsv.gz"));
await split("qnli", header, qnli, 5);

const trec = linesOf(await read("trec/train_5500.label", "latin1")).map((line) => {
  const [kind = "", ...words] = line.split(" ");
  return `${kind.split(":")[0]}\t${words.join(" ")}`;
});
await split("trec", "label\ttext", trec, 10);

interface Squad {
  readonly version?: string;
  readonly data: readonly unknown[];
}
const squad = JSON.parse(await read("squadshifts/new_wiki_v1.0.json.gz")) as Squad;
await write("squad-train.json", JSON.stringify({ ...squad, data: squad.data.slice(0, -5) }));
await write("squad-dev.json", JSON.stringify({ ...squad, data: squad.data.slice(-5) }));
