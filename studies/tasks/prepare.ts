/**
 * Writes the data of all tasks as the recipes of the project read them: parts drawn by a seed, held-out data divided off where a set
 * has none.
 *
 *     npx tsx studies/tasks/prepare.ts DATA [--folder runs/tasks] [--tasks sst2,cola] [--at-most ITEMS]
 *
 * `--at-most` makes tiny parts, for a try.
 */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { dataFolder, type PartSizes, partKindOf, preparedFile, sizesFile, usualFolder } from "./case.ts";
import { casesOf } from "./cases.ts";
import type { LabelRow } from "./data-set.ts";
import { drawn, partText, reader } from "./part.ts";

const text = { type: "string" } as const;
const { values, positionals } = parseArgs({
  options: { folder: text, tasks: text, "at-most": text },
  allowPositionals: true,
});
const [data = "../shared/data"] = positionals;
const { folder = usualFolder, tasks, "at-most": atMost } = values;
const limit = atMost === undefined ? undefined : Number(atMost);
const chosen = tasks?.split(",");
await mkdir(dataFolder(folder), { recursive: true });

const sizesPath = join(dataFolder(folder), sizesFile);
const known = await readFile(sizesPath, "utf8").catch(() => "{}");
const sizes = JSON.parse(known) as Record<string, PartSizes>;
for (const task of casesOf(data)) {
  const { name, most = {}, parts } = task;
  if (chosen !== undefined && !chosen.includes(name)) continue;
  const { train, eval: held, more = {} } = await parts(reader(data));
  const least = (own: number | undefined) => (limit === undefined ? own : Math.min(limit, own ?? limit));
  const learnt = drawn(train, least(most.train), name, "train");
  // A tiny part lacks classes.
  const labels = new Set(learnt.map((item) => (item as LabelRow).label));
  const fits = (item: unknown): boolean => task.kind !== "classes" || labels.has((item as LabelRow).label);
  const kept = { train: learnt, eval: drawn(held.filter(fits), least(most.eval), name, "eval") };
  for (const [part, items] of Object.entries({ ...kept, ...more })) {
    if (items.length === 0) continue;
    await writeFile(preparedFile(folder, task, part), partText(partKindOf(task), items));
  }
  sizes[name] = { train: kept.train.length, eval: kept.eval.length, allTrain: train.length, allEval: held.length };
  await writeFile(sizesPath, `${JSON.stringify(sizes, null, 1)}\n`);
  console.log(`${name}: ${kept.train.length} of ${train.length} to learn from, ${kept.eval.length} held out`);
}
