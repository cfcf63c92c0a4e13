/** @file What `finetuneTogether` is told of each task, and of how their batches are mixed. */
import { type ConfigIssue, nearestName } from "../base/errors.ts";
import type { TableSource } from "../data/table.ts";
import type { HeadSettings, StochasticAnswerSettings } from "../models/multi-task.ts";
import type { Mixing } from "../tasks/merged-order.ts";
import type { AnyTextTask } from "../tasks/merged-task.ts";

/**
 * `linear` is the family's own head; `stochasticAnswer` reads pairs of texts in several steps (5, of which training leaves
 * out one in ten, dropout 0.1).
 */
export type HeadOption =
  | "linear"
  | "stochasticAnswer"
  | ({ readonly kind: "stochasticAnswer" } & Partial<Omit<StochasticAnswerSettings, "kind">>);

/** One of the tasks that are learnt together. */
export interface TogetherTask {
  /** What figures, events and `predict --task` call it: letters, digits, `-` and `_`. */
  readonly name: string;
  readonly task: AnyTextTask;
  readonly train: TableSource;
  /** Held-out examples. */
  readonly eval?: TableSource | undefined;
  /** `linear` by default; rankings have a head of their own. */
  readonly head?: HeadOption | undefined;
  /** The figure that stands for the task in the average of all; the task's first by default. Higher must be better. */
  readonly figure?: string | undefined;
}

/** How many batches of each task an epoch has; see {@link Mixing}. In proportion to their examples by default. */
export type MixingOptions = Partial<Mixing>;

/** A task with all its settings. */
export interface ResolvedTask extends Omit<TogetherTask, "head" | "figure"> {
  readonly head: HeadSettings;
  readonly figure: string;
}

/** The authors' constants. @source Liu et al. 2018, arXiv:1804.07888; `train.py` of the authors' repository */
export const stochasticAnswerDefaults: StochasticAnswerSettings = {
  kind: "stochasticAnswer",
  numSteps: 5,
  stepDropout: 0.1,
  dropout: 0.1,
};

const NAME = /^[A-Za-z0-9][\w-]*$/;
/** Names that modules and figures have already. */
const taken: readonly string[] = ["isModule", "loss", "average"];
const lowerIsBetter: readonly string[] = ["loss", "meanSquaredError"];

function headIssues(path: string, head: StochasticAnswerSettings, { task }: TogetherTask): ConfigIssue[] {
  const issues: ConfigIssue[] = [];
  const range = (name: string, message: string): void => {
    issues.push({ path: `${path}.head.${name}`, message, code: "CONFIG_RANGE" });
  };
  const { numSteps, stepDropout, dropout } = head;
  if (!(Number.isInteger(numSteps) && numSteps >= 1)) range("numSteps", `must be a whole number ≥ 1; got ${numSteps}.`);
  for (const [name, value] of Object.entries({ stepDropout, dropout })) {
    if (!(value >= 0 && value < 1)) range(name, `must lie in [0, 1); got ${value}.`);
  }
  if (task.name !== "textClassification" || task.settings.textColumns.length !== 2) {
    const what = task.name === "textClassification" ? "one text" : task.name;
    const message = `stochasticAnswer is for classes of pairs of texts; got ${what}. Use linear, or leave head out.`;
    issues.push({ path: `${path}.head`, message, code: "CONFIG_UNSUPPORTED" });
  }
  return issues;
}

/** The head of a task; problems are added to the list. */
function resolveHead(path: string, given: TogetherTask, issues: ConfigIssue[]): HeadSettings {
  const { task, head } = given;
  const kind = typeof head === "object" ? head.kind : head;
  if (kind !== undefined && kind !== "linear" && kind !== "stochasticAnswer") {
    const message = `must be linear or stochasticAnswer; got ${JSON.stringify(kind)}.`;
    issues.push({ path: `${path}.head`, message, code: "CONFIG_UNKNOWN_VALUE" });
    return { kind: "linear" };
  }
  if (kind === "stochasticAnswer") {
    const settings = { ...stochasticAnswerDefaults, ...(typeof head === "object" ? head : {}) };
    issues.push(...headIssues(path, settings, given));
    return settings;
  }
  if (task.name !== "textRanking") return { kind: "linear" };
  if (kind !== undefined) {
    const message = "rankings have a head of their own, linear with a sigmoid. Leave head out.";
    issues.push({ path: `${path}.head`, message, code: "CONFIG_UNSUPPORTED" });
  }
  return { kind: "relevance" };
}

function resolveFigure(path: string, { task, figure }: TogetherTask, issues: ConfigIssue[]): string {
  const known = task.figures.filter((name) => !lowerIsBetter.includes(name));
  if (figure === undefined) return known[0]!;
  if (known.includes(figure)) return figure;
  const near = nearestName(figure, known);
  const hint = near === undefined ? "" : ` Use ${near}.`;
  const message = `must be one of ${known.join(", ")}; got ${JSON.stringify(figure)}.${hint}`;
  issues.push({ path: `${path}.figure`, message, code: "CONFIG_UNKNOWN_VALUE" });
  return known[0]!;
}

/** Tasks with all their settings; problems of all of them are added to the list, with paths `tasks.<name>.…`. */
export function resolveTasks(tasks: readonly TogetherTask[], issues: ConfigIssue[]): ResolvedTask[] {
  const add = (path: string, message: string, code: string): void => {
    issues.push({ path, message, code });
  };
  if (tasks.length === 0) add("tasks", "must be one at least; got none.", "CONFIG_MISSING");
  const [first] = tasks;
  return tasks.map((given, i) => {
    const { name, task } = given;
    const path = `tasks.${name}`;
    if (!NAME.test(name) || taken.includes(name)) {
      const message = `is no name for a task: use letters, digits, - and _, and not ${taken.join(", ")}; got ${JSON.stringify(name)}.`;
      add(`tasks.${i}.name`, message, "CONFIG_VALUE");
    }
    if (tasks.findIndex((other) => other.name === name) !== i) {
      add(path, "is there twice. Give one of them another name, or leave it out.", "CONFIG_AMBIGUOUS");
    }
    if (first !== undefined && task.settings.tokenizer.hash !== first.task.settings.tokenizer.hash) {
      const message = `differs from that of ${first.name}: tasks that share an encoder share its tokenizer. Use one for all.`;
      add(`${path}.tokenizer`, message, "TOKENIZER_MISMATCH");
    }
    return { ...given, head: resolveHead(path, given, issues), figure: resolveFigure(path, given, issues) };
  });
}

/** Mixing with all its values; problems are added to the list. */
export function resolveMixing(
  { exponent = 1, finalExponent = null, maxExamples = null }: MixingOptions,
  numEpochs: number | null | undefined,
  issues: ConfigIssue[],
): Mixing {
  const add = (name: string, message: string, code = "CONFIG_RANGE"): void => {
    issues.push({ path: `mixing.${name}`, message, code });
  };
  for (const [name, value] of Object.entries({ exponent, finalExponent })) {
    if (value !== null && !(value >= 0 && value <= 1)) add(name, `must lie in [0, 1]; got ${value}.`);
  }
  if (maxExamples !== null && !(Number.isInteger(maxExamples) && maxExamples >= 1)) {
    add("maxExamples", `must be a whole number ≥ 1, or null; got ${maxExamples}.`);
  }
  if (finalExponent !== null && numEpochs === null) {
    const message = "needs train.numEpochs: it says which exponent the last epoch has. Leave maxSteps out.";
    add("finalExponent", message, "CONFIG_AMBIGUOUS");
  }
  return { exponent, finalExponent, maxExamples };
}
