/** @file What `finetuneTogether` is told of each task, and of how their batches are mixed. */
import { type ConfigIssue, nearestName } from "../base/errors.ts";
import type { TableSource } from "../data/table.ts";
import type { TaggedSource } from "../data/tagged-sentence.ts";
import type { JsonObject } from "../formats/json-text.ts";
import type { StochasticAnswerSettings, TextHeadSettings, TokenHeadSettings } from "../models/multi-task.ts";
import type { Mixing } from "../tasks/merged-order.ts";
import type { AnyTextTask } from "../tasks/merged-task.ts";
import { taggingFigureNames } from "../tasks/tagging-evaluation.ts";
import type { TokenClassification } from "../tasks/token-classification.ts";

/**
 * `linear` is the family's own head; `stochasticAnswer` reads pairs of texts in several steps (5, of which training leaves
 * out one in ten, dropout 0.1).
 */
export type HeadOption =
  | "linear"
  | "stochasticAnswer"
  | ({ readonly kind: "stochasticAnswer" } & Partial<Omit<StochasticAnswerSettings, "kind">>);

/** One of the tasks that are learnt together: classes of texts, numbers, rankings. */
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

/** A task among several that gives tags to the words of sentences. */
export interface TogetherTagging {
  readonly name: string;
  readonly task: TokenClassification;
  readonly train: TaggedSource;
  /** Held-out sentences. */
  readonly eval?: TaggedSource | undefined;
  /** `f1` by default, which is the accuracy where the tags mark no entities. */
  readonly figure?: string | undefined;
  /** Kept with the model, e.g. how its files are read. */
  readonly reading?: JsonObject | undefined;
}

/** Any task that can be learnt with others. */
export type AnyTogetherTask = TogetherTask | TogetherTagging;

/** How many batches of each task an epoch has; see {@link Mixing}. In proportion to their examples by default. */
export type MixingOptions = Partial<Mixing>;

/** A task of texts with all its settings. */
export interface ResolvedTextTask extends Omit<TogetherTask, "head" | "figure"> {
  readonly kind: "text";
  readonly head: TextHeadSettings;
  readonly figure: string;
}

/** A tagging task with all its settings. */
export interface ResolvedTagging extends Omit<TogetherTagging, "figure"> {
  readonly kind: "tagging";
  readonly head: TokenHeadSettings;
  readonly figure: string;
}

export type ResolvedTask = ResolvedTextTask | ResolvedTagging;

/** Whether a task gives tags to words. */
export function isTagging(given: AnyTogetherTask): given is TogetherTagging {
  return given.task.name === "tokenClassification";
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
const taken: readonly string[] = ["isModule", "loss", "average", "unlabelled"];
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
function resolveHead(path: string, given: TogetherTask, issues: ConfigIssue[]): TextHeadSettings {
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

function resolveFigure(path: string, given: AnyTogetherTask, issues: ConfigIssue[]): string {
  const { figure } = given;
  const figures: readonly string[] = isTagging(given) ? taggingFigureNames : given.task.figures;
  const known = figures.filter((name) => !lowerIsBetter.includes(name));
  if (figure === undefined) return known[0]!;
  if (known.includes(figure)) return figure;
  const near = nearestName(figure, known);
  const hint = near === undefined ? "" : ` Use ${near}.`;
  const message = `must be one of ${known.join(", ")}; got ${JSON.stringify(figure)}.${hint}`;
  issues.push({ path: `${path}.figure`, message, code: "CONFIG_UNKNOWN_VALUE" });
  return known[0]!;
}

/** Tasks with all their settings; problems of all of them are added to the list, with paths `tasks.<name>.…`. */
export function resolveTasks(tasks: readonly AnyTogetherTask[], issues: ConfigIssue[]): ResolvedTask[] {
  const add = (path: string, message: string, code: string): void => {
    issues.push({ path, message, code });
  };
  if (tasks.length === 0) add("tasks", "must be one at least; got none.", "CONFIG_MISSING");
  const [first] = tasks;
  return tasks.map((given, i): ResolvedTask => {
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
    const figure = resolveFigure(path, given, issues);
    if (!isTagging(given)) return { ...given, kind: "text", head: resolveHead(path, given, issues), figure };
    if ("head" in given && given.head !== undefined) {
      const message = "taggers have a head of their own, over every token. Leave head out.";
      add(`${path}.head`, message, "CONFIG_UNSUPPORTED");
    }
    const head = { kind: "tokenClassification", crf: given.task.settings.crf } as const;
    return { ...given, kind: "tagging", head, figure };
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
