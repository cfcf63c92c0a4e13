/**
 * Fine-tunes one start on tasks of the study, three seeds each; tasks that have their figures already are left out.
 *
 *     npx tsx studies/tasks/run.ts DATA START MODEL [--tasks sst2,cola] [--seeds 1,2,3] [--engine NAME …]
 *
 * START names the row: `scratch` for the network of MODEL with new weights, any other name for MODEL as it is. Options behind
 * `--engine` go to `firth finetune` as they are.
 */
import { spawnSync } from "node:child_process";
import { appendFileSync, existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { type CaseResult, cases, resultsFile, type Spread, studyFolder, type TaskCase } from "./cases.ts";

const [data, start, model, ...rest] = process.argv.slice(2);
if (data === undefined || start === undefined || model === undefined) {
  console.error("Usage: run.ts DATA START MODEL [--tasks LIST] [--seeds LIST] [options of firth finetune]");
  process.exit(1);
}

/** Takes an option of this program out of the rest. */
function taken(name: string, otherwise: string): string {
  const at = rest.indexOf(name);
  return at < 0 ? otherwise : rest.splice(at, 2)[1]!;
}
const names = taken("--tasks", cases.map(({ name }) => name).join()).split(",");
const seeds = taken("--seeds", "1,2,3");

interface Told {
  readonly runs: readonly { readonly evaluation: { readonly confusion?: readonly (readonly number[])[] } | null }[];
  readonly figures: Readonly<Record<string, Spread>>;
  readonly seconds: number;
}

/** Share of the commonest class among the held-out examples, where there are classes. */
function majorityOf({ runs }: Told): number | undefined {
  const sizes = runs[0]?.evaluation?.confusion?.map((row) => row.reduce((sum, count) => sum + count, 0));
  return sizes === undefined ? undefined : Math.max(...sizes) / sizes.reduce((sum, size) => sum + size, 0);
}

function runCase({ name, recipe, settings }: TaskCase): CaseResult {
  const place = ["--output-dir", join(studyFolder, `${name}-${start}`)];
  const sets = [`model=${model}`, ...settings(data!)].flatMap((setting) => ["--set", setting]);
  const own = [join("recipes", `${recipe}.yaml`), ...place, ...sets, "--seeds", seeds, ...rest];
  const args = ["finetune", ...own, ...(start === "scratch" ? ["--from-scratch"] : []), "--json"];
  const done = spawnSync(process.execPath, ["--import", "tsx", "src/cli/main.ts", ...args], {
    ...{ encoding: "utf8", stdio: ["ignore", "pipe", "inherit"], maxBuffer: 1 << 28 },
  });
  if (done.status !== 0) throw new Error(`${name} from ${start}: firth finetune ended with ${done.status}.`);
  const told = JSON.parse(done.stdout) as Told;
  const { figures, seconds } = told;
  const shown = args.map((word) => (/[^\w./=,:-]/.test(word) ? `'${word}'` : word)).join(" ");
  const list = seeds.split(",").map(Number);
  return { name, start: start!, command: `firth ${shown}`, figures, seeds: list, majority: majorityOf(told), seconds };
}

mkdirSync(studyFolder, { recursive: true });
const known = existsSync(resultsFile) ? readFileSync(resultsFile, "utf8").trim().split("\n") : [];
const has = new Set(known.map((line) => JSON.parse(line) as CaseResult).map((done) => `${done.name} ${done.start}`));
for (const item of cases.filter(({ name }) => names.includes(name))) {
  if (has.has(`${item.name} ${start}`)) continue;
  const result = runCase(item);
  appendFileSync(resultsFile, `${JSON.stringify(result)}\n`);
  console.error(`${item.name} from ${start}: ${item.figure} ${result.figures[item.figure]?.mean}`);
}
