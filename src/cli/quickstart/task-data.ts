/** @file Labelled sentences for the quickstart's task, as files that `firth finetune` reads too. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Random } from "../../base/random.ts";
import type { ModuleSentence } from "./documentation.ts";

export interface TaskFiles {
  readonly train: string;
  readonly dev: string;
  readonly numTrain: number;
  readonly numDev: number;
  /** Sentences that no training may see. */
  readonly heldOut: ReadonlySet<string>;
}

/** Splits each module's sentences: `perModule` to learn from, all others to be tested on. */
export async function writeTaskFiles(
  folder: string,
  sentences: readonly ModuleSentence[],
  perModule: number,
  seed: number,
): Promise<TaskFiles> {
  const shuffled = new Random(seed, "quickstart").shuffle([...sentences]);
  const taken = new Map<string, number>();
  const train: ModuleSentence[] = [];
  const dev: ModuleSentence[] = [];
  for (const item of shuffled) {
    const count = taken.get(item.module) ?? 0;
    taken.set(item.module, count + 1);
    (count < perModule ? train : dev).push(item);
  }
  const write = async (name: string, items: readonly ModuleSentence[]): Promise<string> => {
    const path = join(folder, name);
    await writeFile(path, items.map((item) => `${JSON.stringify(item)}\n`).join(""));
    return path;
  };
  return {
    train: await write("train.jsonl", train),
    dev: await write("dev.jsonl", dev),
    numTrain: train.length,
    numDev: dev.length,
    heldOut: new Set(dev.map(({ sentence }) => sentence)),
  };
}
