/** @file One run of the study: a task from a start with a seed. */
import { rm } from "node:fs/promises";
import { isAbsolute, join } from "node:path";
import { preparedFile, type TaskCase, usualFolder } from "./case.ts";
import { commandText, firth } from "./firth.ts";
import type { CaseResult } from "./result.ts";
import { type GivenModels, modelFacts, type Start, shownModel } from "./start.ts";

export interface Job {
  readonly task: TaskCase;
  readonly start: Start;
  readonly seed: number;
}

export interface JobPlace {
  readonly folder: string;
  readonly models: GivenModels;
  /** Options of `firth` about the engine. */
  readonly engine: readonly string[];
  /** Steps instead of the task's epochs, for a try. */
  readonly steps: number | undefined;
  readonly build: boolean;
  readonly cases: readonly TaskCase[];
}

interface FinetuneTold {
  readonly runs: readonly { readonly steps: number; readonly model: string | null }[];
  readonly figures: Readonly<Record<string, { readonly mean: number | null }>>;
  readonly seconds: number;
}

/** Settings of a run, whatever its start: the last weights count, and held-out data are looked at once. */
function settingsOf({ task, start }: Job, { folder, models, steps }: JobPlace): string[] {
  const file = (part: string) => preparedFile(folder, task, part);
  const own = start.modelOf(task, models);
  // All starts of a language read texts of the same length.
  const longest = [own, task.language === "zh" ? models.chinese : models.here]
    .flatMap((model) => (model === undefined ? [] : [modelFacts(model).positions]))
    .reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
  const rate = Number((task.learningRate * start.rateFactor).toPrecision(2));
  return [
    ...[`data.train=${file("train")}`, `data.eval=${file("eval")}`],
    ...task.settings({ file, maxPositions: longest }),
    ...(steps === undefined
      ? [`train.numEpochs=${task.numEpochs}`]
      : ["train.numEpochs=null", `train.maxSteps=${steps}`]),
    ...[`train.learningRate=${rate}`, "train.warmupSteps=null", "train.warmupRatio=0.1"],
    ...["train.selectBest=false", "train.evalSteps=100000"],
  ];
}

/** Options with another value of one of them. */
function withOption(options: readonly string[], name: string, value: string): string[] {
  return options.map((word, i) => (options[i - 1] === name ? value : word));
}

/** Carries out a run. */
export async function runJob(job: Job, place: JobPlace): Promise<CaseResult> {
  const { task, start, seed } = job;
  const { folder, models, build, cases } = place;
  const engine = task.dtype === undefined ? place.engine : withOption(place.engine, "--dtype", task.dtype);
  const work = join(folder, "work", `${task.name}-${start.name}-${seed}`);
  const given = start.modelOf(task, models)!;
  await rm(work, { recursive: true, force: true });
  const commands: string[] = [];
  const shown = (args: readonly string[]): void => {
    const named = args.map((word) => word.replaceAll(given, shownModel(given, models)));
    const own = isAbsolute(folder) ? named.map((word) => word.replaceAll(folder, usualFolder)) : named;
    commands.push(commandText(own));
  };
  try {
    const symbols = join(work, "symbols");
    if (task.symbolsPerToken !== undefined) {
      // From scratch all rows are new; the others begin with those of ordinary tokens that a seed chooses.
      const kind = ["--alphabet", "ACGT", "--per-token", `${task.symbolsPerToken}`, "--seed", `${seed}`];
      const args = ["vocabulary", "symbols", given, "--out", symbols, ...kind];
      shown(args);
      await firth(args, { build });
    }
    const model = task.symbolsPerToken === undefined ? given : symbols;
    const sets = [`model=${model}`, ...settingsOf(job, place)].flatMap((setting) => ["--set", setting]);
    const run = join(work, "run");
    const rest = [
      "--seeds",
      `${seed}`,
      ...engine,
      "--no-predictions",
      ...(start.fromScratch ? ["--from-scratch"] : []),
    ];
    const args = ["finetune", join("recipes", `${task.recipe}.yaml`), "--output-dir", run, ...sets, ...rest];
    shown(args);
    const told = await firth<FinetuneTold>(args, { build });
    const figures = Object.entries(told.figures).map(([name, { mean }]) => [name, mean] as const);
    for (const name of task.alsoOn ?? []) {
      const other = cases.find((one) => one.name === name)!;
      const asked = ["evaluate", told.runs[0]!.model!, "--data", preparedFile(folder, other, "eval"), ...engine];
      shown(asked);
      const also = await firth<Readonly<Record<string, number>>>(asked, { build });
      figures.push(...other.figures.map((figure) => [`${name}.${figure.name}`, also[figure.name] ?? null] as const));
    }
    return {
      ...{ name: task.name, start: start.name, seed, figures: Object.fromEntries(figures) },
      ...{ command: commands.join("\n"), steps: told.runs[0]!.steps, seconds: told.seconds },
      ...{ model: modelFacts(model), engine: engine.join(" ") },
    };
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}
