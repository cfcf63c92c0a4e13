/** @file What trains when, as a table: stages, groups, numbers of parameters, rates, losses. */
import type { Stage, StageGroup } from "./stage.ts";

/** Neighbouring groups that are trained at the same rate. */
export interface ExplainedGroup {
  /** Their names, as `layers 0–3, pooler, head`. */
  readonly name: string;
  readonly numParameters: number;
  /** Rates at the stage's first step, at the step where it is highest, and at its last. */
  readonly learningRate: { readonly first: number; readonly highest: number; readonly last: number };
}

/** A term of the loss and its factor at a stage's first and last step. */
export interface ExplainedLoss {
  readonly name: string;
  /** Of which kind of batches it is, where there are several. */
  readonly kind?: string | undefined;
  readonly first: number;
  readonly last: number;
}

export interface ExplainedStage {
  /** `language tuning`, or `stage 1`, `stage 2`, … */
  readonly name: string;
  /** The steps it holds, from 1; language tuning counts its own. */
  readonly firstStep: number;
  readonly lastStep: number;
  /** Where in the data it begins and ends. */
  readonly epochs: readonly [number, number];
  /** From the lowest to the highest. */
  readonly groups: readonly ExplainedGroup[];
  /** Parameters that it trains. */
  readonly numParameters: number;
  readonly losses: readonly ExplainedLoss[];
}

/** What trains when in a fine-tuning run. */
export interface TransferExplanation {
  readonly family: string;
  /** Of the network with its head. */
  readonly numParameters: number;
  /** Of those, parameters that no stage of the task trains: frozen ones, and those that its loss does not use. */
  readonly numStill: number;
  readonly numExamples: number;
  /** Texts without labels beside them. */
  readonly numUnlabelled: number;
  readonly batchSize: number;
  readonly maxSteps: number;
  readonly fromScratch: boolean;
  /** How the rate goes, in words. */
  readonly schedule: string;
  readonly stages: readonly ExplainedStage[];
  /** All of it as a table. */
  readonly text: string;
}

/** What a stage is explained from. */
export interface StageFacts {
  readonly stages: readonly Stage[];
  /** Names of stages are this with their number, or this alone where there is one and it has no number. */
  readonly name: string;
  readonly isNumbered: boolean;
  /** Size of each parameter that the loss uses. */
  readonly sizes: ReadonlyMap<string, number>;
  readonly stepsPerEpoch: number;
  /** The rate by the steps made. */
  readonly rateAt: (stepsMade: number) => number;
  /** Terms of the loss with their factors by the steps made. */
  readonly losses: readonly {
    readonly name: string;
    readonly kind?: string | undefined;
    readonly weightAt: (stepsMade: number) => number;
  }[];
}

/** `layer 3`, as part of a longer name. */
const oneLayer = /^(.*?)layer (\d+)$/;

/** Names with runs of layers put together: `embeddings, layers 0–3, head`. */
export function joinedNames(names: readonly string[]): string {
  const joined: { prefix: string; first: number; last: number; name: string }[] = [];
  for (const name of names) {
    const found = oneLayer.exec(name);
    const number = found === null ? Number.NaN : Number(found[2]);
    const last = joined.at(-1);
    if (last !== undefined && found !== null && last.prefix === found[1] && last.last + 1 === number)
      last.last = number;
    else joined.push({ prefix: found?.[1] ?? "", first: number, last: number, name });
  }
  return joined
    .map(({ prefix, first, last, name }) => (first < last ? `${prefix}layers ${first}–${last}` : name))
    .join(", ");
}

const countOf = (names: readonly string[], sizes: ReadonlyMap<string, number>): number =>
  names.reduce((sum, name) => sum + (sizes.get(name) ?? 0), 0);

/** Runs of groups with the same rate, each with what the loss uses of it. */
function alike(groups: readonly StageGroup[], sizes: ReadonlyMap<string, number>) {
  const runs: { scale: number; names: string[]; numParameters: number }[] = [];
  for (const { name, learningRateScale: scale, parameters } of groups) {
    const numParameters = countOf(parameters, sizes);
    if (numParameters === 0) continue;
    const last = runs.at(-1);
    if (last?.scale === scale) {
      last.names.push(name);
      last.numParameters += numParameters;
    } else runs.push({ scale, names: [name], numParameters });
  }
  return runs;
}

/** Explains the stages of a run, or of its language tuning. */
export function explainStages({
  stages,
  name,
  isNumbered,
  sizes,
  stepsPerEpoch,
  rateAt,
  losses,
}: StageFacts): ExplainedStage[] {
  return stages.map(({ firstStep, lastStep, groups }, i) => {
    let highest = 0;
    for (let made = firstStep - 1; made < lastStep; made++) highest = Math.max(highest, rateAt(made));
    const explained = alike(groups, sizes).map(({ scale, names, numParameters }) => ({
      name: joinedNames(names),
      numParameters,
      learningRate: {
        first: scale * rateAt(firstStep - 1),
        highest: scale * highest,
        last: scale * rateAt(lastStep - 1),
      },
    }));
    return {
      name: isNumbered ? `${name} ${i + 1}` : name,
      ...{ firstStep, lastStep },
      epochs: [(firstStep - 1) / stepsPerEpoch, lastStep / stepsPerEpoch],
      groups: explained,
      numParameters: explained.reduce((sum, group) => sum + group.numParameters, 0),
      losses: losses.map(({ name: term, kind, weightAt }) => ({
        name: term,
        ...(kind === undefined ? {} : { kind }),
        first: weightAt(firstStep - 1),
        last: weightAt(lastStep - 1),
      })),
    };
  });
}

const count = (value: number): string => value.toLocaleString("en-US");
const short = (value: number): string => String(Math.round(value * 100) / 100);
const rate = (value: number): string => (value === 0 ? "0" : value.toExponential(1));

/** `classification + 0.2→0.1 mlm`; of batches of several kinds each one's, `|` between them. */
function lossText(losses: readonly ExplainedLoss[]): string {
  const kinds = [...new Set(losses.map(({ kind }) => kind))];
  return kinds.map((kind) => sumText(losses.filter((loss) => loss.kind === kind))).join(" | ");
}

function sumText(losses: readonly ExplainedLoss[]): string {
  return losses
    .map(({ name, first, last }) => {
      const [from, to] = [first, last].map((value) => String(Number(value.toPrecision(3))));
      if (from === to) return from === "1" ? name : `${from} ${name}`;
      return `${from}→${to} ${name}`;
    })
    .join(" + ");
}

/** Columns with two spaces between them, numbers to the right. */
function aligned(rows: readonly (readonly string[])[], right: ReadonlySet<number>): string[] {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows.map((row) =>
    row
      .map((cell, column) => (right.has(column) ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!)))
      .join("  ")
      .trimEnd(),
  );
}

const header = ["", "steps", "epochs", "trained", "parameters", "first rate", "highest", "last", "loss"];

/** The explanation as text, a line for each rate of each stage. */
export function explanationText(explanation: Omit<TransferExplanation, "text">): string {
  const { family, numParameters, numStill, numExamples, numUnlabelled, batchSize, maxSteps } = explanation;
  const { schedule, stages, fromScratch } = explanation;
  const rows = stages.flatMap(({ name, firstStep, lastStep, epochs, groups, losses }) =>
    groups.map(({ name: trained, numParameters: size, learningRate: { first, highest, last } }, i) => {
      const isFirst = i === 0;
      return [
        isFirst ? name : "",
        isFirst ? `${firstStep}–${lastStep}` : "",
        isFirst ? `${short(epochs[0])}–${short(epochs[1])}` : "",
        ...[trained, count(size), rate(first), rate(highest), rate(last)],
        isFirst ? lossText(losses) : "",
      ];
    }),
  );
  const unlabelled = numUnlabelled === 0 ? "" : ` and ${count(numUnlabelled)} texts without labels`;
  const weights = fromScratch ? "new weights" : "pre-trained weights";
  const still = numStill === 0 ? "all of them trained" : `${count(numStill)} of them never trained`;
  return [
    `${family}, ${count(numParameters)} parameters (${weights}; ${still})`,
    `${count(numExamples)} examples${unlabelled}, ${batchSize} a step, ${maxSteps} steps; rate: ${schedule}`,
    "",
    ...aligned([header, ...rows], new Set([1, 2, 4, 5, 6, 7])),
  ].join("\n");
}
