import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Random } from "../../src/base/random.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

const words = "cat dog house tree river runs sleeps eats under over big small green old man woman child".split(" ");

function sentence(random: Random, length: number): string {
  return Array.from({ length }, () => words[random.nextInt(words.length)]!).join(" ");
}

function corpusText(random: Random): string {
  const line = (): string => `The ${sentence(random, 4 + random.nextInt(6))}.`;
  return Array.from({ length: 60 }, () => `${Array.from({ length: 4 }, line).join("\n")}\n`).join("\n");
}

function labelledTable(random: Random, rows: number): string {
  const row = (): string => {
    const label = random.next() < 0.5 ? "pos" : "neg";
    return `the ${label === "pos" ? "good" : "bad"} ${sentence(random, 3)}\t${label}`;
  };
  return `sentence\tlabel\n${Array.from({ length: rows }, row).join("\n")}\n`;
}

const model = "{ hiddenSize: 32, numHiddenLayers: 1, numAttentionHeads: 2, intermediateSize: 64 }";

const files = {
  "pretrain.yaml": `kind: pretrain
outputDir: run
model: { ${model.slice(2, -2)}, maxPositionEmbeddings: 32 }
tokenizer: { train: { vocabSize: 90 } }
data: { input: text.txt, evalFraction: 0.1 }
objective: { maxSeqLength: 32 }
train: { maxSteps: 150, batchSize: 4, learningRate: 0.01, evalSteps: 25 }
`,
  "finetune.yaml": `kind: finetune
outputDir: classifier
model: whole/model
task: { textColumns: sentence, labelColumn: label, maxSeqLength: 16 }
data: { train: train.tsv, eval: dev.tsv }
train: { batchSize: 8, numEpochs: 4, learningRate: 0.01 }
`,
  "empty.txt": "",
};

/** A folder with tiny data, and the built program to run in it. */
export class Workplace {
  readonly folder: string;
  readonly entry: string;

  private constructor(folder: string, entry: string) {
    this.folder = folder;
    this.entry = entry;
  }

  /** Builds the program where it is not up to date. */
  static open(): Workplace {
    const built = spawnSync(process.execPath, [join(root, "tools", "build.mjs")], { encoding: "utf8" });
    if (built.status !== 0) throw new Error(`the build failed:\n${built.stdout}${built.stderr}`);
    const folder = mkdtempSync(join(tmpdir(), "firth-e2e-"));
    const random = new Random(1, "e2e");
    const data = {
      ...files,
      // Words of the task, so that the vocabulary has them.
      "text.txt": `${corpusText(random)}The good dog and the bad cat.\n`,
      "train.tsv": labelledTable(random, 80),
      "dev.tsv": labelledTable(random, 24),
    };
    for (const [name, text] of Object.entries(data)) writeFileSync(join(folder, name), text);
    return new Workplace(folder, join(root, "dist", "cli", "main.js"));
  }

  /** Runs a command to its end with something on standard input. */
  runWith(input: string, args: readonly string[]): Ended {
    const options = { cwd: this.folder, input, encoding: "utf8", timeout: 60_000 } as const;
    const { status, stdout, stderr } = spawnSync(process.execPath, [this.entry, ...args], options);
    return { status, stdout, stderr };
  }

  run(...args: string[]): Ended {
    return this.runWith("", args);
  }

  /** The result of a command that must go well. */
  json<T = Readonly<Record<string, number>>>(...args: string[]): T {
    const { status, stdout, stderr } = this.run(...args, "--json");
    if (status !== 0) throw new Error(`firth ${args.join(" ")} ended with ${status}:\n${stdout}${stderr}`);
    return JSON.parse(stdout) as T;
  }

  /** Sends a signal, or the same one twice, as soon as something is said. */
  interrupt(said: RegExp, signal: "SIGINT" | "SIGTERM" | "SIGTERM twice", ...args: string[]): Promise<Ended> {
    const child = spawn(process.execPath, [this.entry, ...args], { cwd: this.folder });
    const [name, twice] = signal.split(" ") as ["SIGINT" | "SIGTERM", string | undefined];
    let stdout = "";
    let stderr = "";
    let isSent = false;
    child.stdout.on("data", (chunk: Buffer) => {
      stdout += chunk.toString();
    });
    child.stderr.on("data", (chunk: Buffer) => {
      stderr += chunk.toString();
      if (isSent || !said.test(stderr)) return;
      isSent = true;
      child.kill(name);
      // Two signals sent at once may arrive as one.
      if (twice !== undefined) setTimeout(() => child.kill(name), 5);
    });
    return new Promise((resolve, reject) => {
      child.on("error", reject);
      child.on("close", (status) => resolve({ status, stdout, stderr }));
    });
  }

  close(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
