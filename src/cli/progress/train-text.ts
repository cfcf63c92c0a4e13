import type { EvaluationEvent, StepEvent, TrainEvent } from "../../train/event.ts";
import { progressBar, sparkline } from "./drawing.ts";
import { formatBytes, formatDuration, formatFigure, formatLearningRate, formatRate } from "./format.ts";
import { fitPieces } from "./text-width.ts";

/** The loss of a step, and which of several losses it is. */
function lossText({ loss, batchKind }: StepEvent): string {
  return `loss ${formatFigure(loss)}${batchKind === undefined ? "" : ` (${batchKind})`}`;
}

/** What the live lines show. */
export interface TrainStatus {
  readonly step: StepEvent;
  readonly losses: readonly number[];
  readonly evaluation: EvaluationEvent | undefined;
  readonly savedAt: number | undefined;
}

const BAR_COLUMNS = 24;

/** A step's number in full, since it is looked up elsewhere. */
export function stepNumber(step: number): string {
  return step.toLocaleString("en-US");
}

function percent(share: number): string {
  return `${Math.floor(share * 100 + 1e-9)} %`;
}

/** Two live lines: how far; how well. */
export function liveLines({ step, losses, evaluation, savedAt }: TrainStatus, columns: number): string[] {
  const share = step.step / step.maxSteps;
  const far = [
    { text: progressBar(share, Math.max(4, Math.min(BAR_COLUMNS, columns - 50))), rank: 2 },
    { text: `step ${stepNumber(step.step)}/${stepNumber(step.maxSteps)}`, rank: 5 },
    { text: percent(share), rank: 3 },
    { text: `${formatDuration(step.secondsLeft)} left`, rank: 4 },
    { text: formatRate(step.tokensPerSecond, "tokens"), rank: 3 },
    { text: savedAt === undefined ? "" : `saved at ${stepNumber(savedAt)}`, rank: 1 },
  ];
  const best = evaluation?.best ? " (best)" : "";
  const well = [
    { text: lossText(step), rank: 5 },
    { text: losses.length < 2 ? "" : sparkline(losses), rank: 2 },
    {
      text:
        evaluation === undefined
          ? ""
          : `eval ${formatFigure(evaluation.loss)} at ${stepNumber(evaluation.step)}${best}`,
      rank: 4,
    },
    { text: `lr ${formatLearningRate(step.learningRate)}`, rank: 3 },
    { text: `grad ${formatFigure(step.gradientNorm)}`, rank: 1 },
  ];
  return [fitPieces(far, columns), fitPieces(well, columns)];
}

/** One plain line of a step. */
export function stepLine(step: StepEvent): string {
  return [
    `step ${stepNumber(step.step)}/${stepNumber(step.maxSteps)} (${percent(step.step / step.maxSteps)})`,
    lossText(step),
    `lr ${formatLearningRate(step.learningRate)}`,
    `grad ${formatFigure(step.gradientNorm)}`,
    formatRate(step.tokensPerSecond, "tokens"),
    `${formatDuration(step.secondsLeft)} left`,
  ].join("  ");
}

/** Figures in one line; those of several tasks (`task.figure`) in a line of their own for each task. */
function figureLines(means: EvaluationEvent["means"]): { readonly common: string[]; readonly lines: string[] } {
  const common: string[] = [];
  const groups = new Map<string, string[]>();
  for (const [name, value] of Object.entries(means)) {
    if (name === "loss") continue;
    const at = name.indexOf(".");
    const group = at === -1 ? common : (groups.get(name.slice(0, at)) ?? []);
    if (at !== -1) groups.set(name.slice(0, at), group);
    group.push(`${name.slice(at + 1)} ${formatFigure(value)}`);
  }
  return { common, lines: [...groups].map(([task, figures]) => `\n    ${[`${task}:`, ...figures].join("  ")}`) };
}

/** The line of an event that stays on the page; undefined for steps. */
export function eventLine(event: TrainEvent): string | undefined {
  switch (event.kind) {
    case "step":
      return undefined;
    case "start": {
      const from = event.step === 0 ? "" : ` from step ${stepNumber(event.step)}`;
      return `${event.description}: ${stepNumber(event.maxSteps)} steps${from}`;
    }
    case "evaluation": {
      const { common, lines } = figureLines(event.means);
      const parts = [`step ${stepNumber(event.step)}  evaluation  loss ${formatFigure(event.loss)}`, ...common];
      const line = `${parts.join("  ")}  ${formatDuration(event.seconds)}${event.best ? "  (best)" : ""}`;
      return line + lines.join("");
    }
    case "checkpoint":
      return `step ${stepNumber(event.step)}  checkpoint  ${event.folder}  ${formatBytes(event.bytes)}`;
    case "notice":
      return event.message;
    case "end":
      return `${event.reason} at step ${stepNumber(event.step)} after ${formatDuration(event.seconds)}`;
  }
}
