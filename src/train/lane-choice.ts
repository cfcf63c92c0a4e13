/** @file In how many lanes a run computes its batches: as told, as its checkpoint says, or by a short measurement. */
import type { Backend } from "../backend/backend.ts";
import { BackendError, CheckpointError, FirthError } from "../base/errors.ts";
import type { Batch } from "../data/batch.ts";

/** Parts of a batch that run at the same time, each on its share of the threads. */
export type Lanes = 1 | 2;

/** Lanes that a step of a run is made ready for. */
export function mostLanes(asked: Lanes | "auto", backend: Backend): Lanes {
  if (asked !== "auto") return asked;
  return (backend.maxLanes ?? 1) < 2 ? 1 : 2;
}

/** @throws {BackendError} LANES_UNSUPPORTED when the engine cannot run so many graphs at the same time */
export function requireLanes(backend: Backend, lanes: number): void {
  const most = backend.maxLanes ?? 1;
  if (lanes <= most) return;
  throw new BackendError(
    `the engine ${backend.name} runs ${most === 1 ? "one graph" : `${most} graphs`} at a time here; got ${lanes} lanes. Set train.lanes: 1, or use the engine onnx with ${lanes} threads or more.`,
    { code: "LANES_UNSUPPORTED", path: "train.lanes" },
  );
}

/** Two lanes must be this much faster: less is within what the measurement tells. */
const LEAST_GAIN = 0.02;
/** Gradients that are timed in each number of lanes. */
const MOST_ROUNDS = 7;
const LEAST_ROUNDS = 2;
/** Where rounds take long, their number is cut so that they end after about so many milliseconds. */
const MOST_MS = 5_000;

/** What a measurement of lanes needs of a step. */
export interface TimedStep {
  timeGradient(batches: readonly Batch[], lanes: number): Promise<number>;
}

/** The lanes that a measurement chose, with medians in milliseconds. */
export interface LaneTimes {
  readonly lanes: Lanes;
  readonly one: number;
  readonly two: number;
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/**
 * Times a gradient in one lane and in two, in turns.
 * @param batches of a step; its first part stands for all of them
 */
export async function measureLanes(step: TimedStep, [first]: readonly Batch[]): Promise<LaneTimes> {
  const [one, two]: [number[], number[]] = [[], []];
  const batches = first === undefined ? [] : [first];
  // The first runs compile, the second ones lay out memory.
  for (let i = 0; i < 2; i++) for (const lanes of [1, 2]) await step.timeGradient(batches, lanes);
  const began = performance.now();
  for (let round = 0; round < MOST_ROUNDS; round++) {
    if (round >= LEAST_ROUNDS && performance.now() - began > MOST_MS) break;
    one.push(await step.timeGradient(batches, 1));
    two.push(await step.timeGradient(batches, 2));
  }
  const times = { one: median(one), two: median(two) };
  return { lanes: times.two < (1 - LEAST_GAIN) * times.one ? 2 : 1, ...times };
}

/** Errors of a measurement that mean "not in two lanes". */
const AGAINST_LANES = ["LANES_UNSUPPORTED", "MEMORY_EXCEEDED"];

export interface LaneFacts {
  readonly asked: Lanes | "auto";
  readonly backend: Backend;
  /** The checkpoint that the run goes on from, and its lanes. */
  readonly recorded?: { readonly checkpoint: string; readonly lanes: Lanes } | undefined;
  /** Measures in the run's own step. */
  readonly measure: () => Promise<LaneTimes>;
}

/**
 * Decides the lanes of a run.
 * @returns the lanes, and a sentence on them where there was a choice
 * @throws {CheckpointError} LANES_MISMATCH when the checkpoint's run had others: its numbers could not be gone on with
 */
export async function chooseLanes(
  facts: LaneFacts,
): Promise<{ readonly lanes: Lanes; readonly reason: string | undefined }> {
  const { asked, backend, recorded, measure } = facts;
  const isAble = (backend.maxLanes ?? 1) >= 2;
  if (recorded !== undefined && asked !== "auto" && recorded.lanes !== asked) {
    throw new CheckpointError(
      `was made in ${recorded.lanes} lane${recorded.lanes === 1 ? "" : "s"}, which sum gradients in another order; got train.lanes ${asked}. Set train.lanes: ${recorded.lanes}, or "auto".`,
      { code: "LANES_MISMATCH", path: recorded.checkpoint, details: { recorded: recorded.lanes, asked } },
    );
  }
  if (asked !== "auto") return { lanes: asked, reason: undefined };
  const without = `the engine ${backend.name} runs one graph at a time here`;
  if (recorded !== undefined) {
    const { lanes } = recorded;
    if (lanes === 2 && !isAble) return { lanes: 1, reason: `1, where the checkpoint has 2: ${without}` };
    return { lanes, reason: `${lanes}, as in the checkpoint` };
  }
  if (!isAble) return { lanes: 1, reason: `1: ${without}` };
  try {
    const { lanes, one, two } = await measure();
    const times = `a gradient takes ${one.toFixed(1)} ms in one, ${two.toFixed(1)} ms in two`;
    return { lanes, reason: `${lanes}: ${times}` };
  } catch (error) {
    if (!(error instanceof FirthError) || !AGAINST_LANES.includes(error.code)) throw error;
    return { lanes: 1, reason: `1: ${error.message}` };
  }
}
