/**
 * Fine-tunes every task of the study from every start with every seed. What has its result is left out, so that the same command
 * goes on. Processes that run at the same time need a --shard each, or other tasks: a run's folder is for one of them.
 *
 *     npx tsx studies/tasks/prepare.ts DATA
 *     npx tsx studies/tasks/run.ts --here MODEL [--chinese MODEL] [--minilm MODEL] [options]
 *
 *     --tasks sst2,cola   some tasks          --starts baseline,scratch,here,minilm   some starts
 *     --seeds 1,2,3       the seeds           --shard 0/2     every second run, from the first
 *     --max-minutes 60    begins no run after that            --list          tells the runs and begins none
 *     --folder runs/tasks data and results    --steps 3       few steps, for a try
 *     --engine onednn --dtype bf16 --threads 1                --build         runs dist, not the sources
 */
import process from "node:process";
import { parseArgs } from "node:util";
import { engineOptions } from "../engine.ts";
import { baselineOf } from "./baseline.ts";
import { resultFolder, type TaskCase, usualFolder } from "./case.ts";
import { casesOf } from "./cases.ts";
import { type Job, runJob } from "./job.ts";
import { hasResult, readResults, writeResult } from "./result.ts";
import { type GivenModels, type Start, starts } from "./start.ts";

const text = { type: "string" } as const;
const flag = { type: "boolean", default: false } as const;
const { values } = parseArgs({
  options: {
    ...{ here: text, chinese: text, minilm: text, tasks: text, starts: text, seeds: text, shard: text },
    ...{ "max-minutes": text, folder: text, steps: text, list: flag, build: flag },
    ...engineOptions,
  },
});
const { folder = usualFolder, here, chinese, minilm, engine = "onednn", dtype = "bf16", threads = "1" } = values;
const models: GivenModels = { here, chinese, minilm };
const results = resultFolder(folder);
const cases = casesOf("");

/** Some of the known names; all where nothing is said. */
function chosen(option: string, given: string | undefined, known: readonly string[]): readonly string[] {
  const names = given?.split(",") ?? known;
  const strange = names.find((name) => !known.includes(name));
  if (strange === undefined) return names;
  throw new Error(`--${option}: there is no ${strange}; there are ${known.join(", ")}.`);
}

const taskNames = chosen(
  "tasks",
  values.tasks,
  cases.map(({ name }) => name),
);
const startNames = chosen("starts", values.starts, ["baseline", ...starts.map(({ name }) => name)]);
const seeds = (values.seeds ?? "1,2,3").split(",").map(Number);
const [shard = 0, shards = 1] = (values.shard ?? "0/1").split("/").map(Number);
if (!(shard >= 0 && shard < shards)) throw new Error(`--shard must be as 0/2 or 1/2; got ${values.shard}.`);
const tasks = cases.filter(({ name, numEpochs }) => taskNames.includes(name) && numEpochs > 0);

/** Figures without a model: at once, for they cost nothing. */
async function baselines(): Promise<void> {
  for (const task of cases.filter(({ name }) => taskNames.includes(name))) {
    const key = { name: task.name, start: "baseline", seed: 0 };
    if (hasResult(results, key) || shard > 0) continue;
    const found = await baselineOf(folder, task).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "ENOENT") throw error;
      throw new Error(`${task.name}: ${error.path} is missing. Run studies/tasks/prepare.ts first.`);
    });
    if (found !== undefined)
      writeResult(results, { ...key, ...found, command: "npx tsx studies/tasks/run.ts --starts baseline" });
  }
}

/** Jobs with some of the starts. */
const jobsOf = (seed: number, some: readonly Start[]): Job[] =>
  tasks.flatMap((task) =>
    some.filter((start) => start.modelOf(task, models) !== undefined).map((start) => ({ task, start, seed })),
  );
/** One seed of all tasks first, and the small networks before the large one, so that there is a whole table early. */
const wanted = starts.filter(({ name }) => startNames.includes(name));
const jobs: Job[] = seeds.flatMap((seed) => [
  ...jobsOf(
    seed,
    wanted.filter(({ timeFactor }) => timeFactor === 1),
  ),
  ...jobsOf(
    seed,
    wanted.filter(({ timeFactor }) => timeFactor > 1),
  ),
]);
const keyOf = ({ task, start, seed }: Job) => ({ name: task.name, start: start.name, seed });
const open = () => jobs.filter((job, i) => i % shards === shard && !hasResult(results, keyOf(job)));

/** Seconds that a run takes: as other seeds of it did, else as its task should, the faster or slower as the others were. */
function secondsOf({ task, start }: { readonly task: TaskCase; readonly start: Start }): number {
  const done = readResults(results).filter(({ seconds }) => seconds !== undefined);
  const mean = (list: readonly number[]): number => list.reduce((sum, value) => sum + value, 0) / list.length;
  const own = done.filter((result) => result.name === task.name && result.start === start.name);
  if (own.length > 0) return mean(own.map(({ seconds }) => seconds!));
  const ratios = done.flatMap((result) => {
    const other = cases.find(({ name }) => name === result.name);
    return other === undefined || result.start !== start.name ? [] : [result.seconds! / other.seconds];
  });
  return task.seconds * (ratios.length > 0 ? mean(ratios) : start.timeFactor);
}

if (startNames.includes("baseline")) await baselines();
const waiting = open();
const minutes = waiting.reduce((sum, job) => sum + secondsOf(job), 0) / 60;
console.error(`${waiting.length} runs of ${jobs.length}, about ${minutes.toFixed(0)} minutes on a quiet machine`);
const missing = tasks.filter((task) => starts.every((start) => start.modelOf(task, models) === undefined));
if (missing.length > 0) console.error(`No model is given for ${missing.map(({ name }) => name).join(", ")}.`);

const began = performance.now();
const minutesGone = (): number => (performance.now() - began) / 60_000;
const most = values["max-minutes"] === undefined ? Number.POSITIVE_INFINITY : Number(values["max-minutes"]);
const steps = values.steps === undefined ? undefined : Number(values.steps);
const options = ["--engine", engine, "--dtype", dtype, "--threads", threads];
for (const job of waiting) {
  const { name, start, seed } = keyOf(job);
  if (values.list) {
    console.error(`${name} from ${start}, seed ${seed}: about ${secondsOf(job).toFixed(0)} s`);
    continue;
  }
  if (minutesGone() >= most) break;
  // Another process may have been here.
  if (hasResult(results, keyOf(job))) continue;
  try {
    const result = await runJob(job, { folder, models, engine: options, steps, build: values.build, cases });
    writeResult(results, result);
    const [figure] = job.task.figures;
    const shown = `${figure!.title} ${result.figures[figure!.name]?.toFixed(4)}`;
    console.error(`${name} from ${start}, seed ${seed}: ${shown}, ${result.seconds?.toFixed(0)} s`);
  } catch (error) {
    console.error(`${name} from ${start}, seed ${seed}: failed. ${(error as Error).message}`);
    process.exitCode = 1;
  }
}
