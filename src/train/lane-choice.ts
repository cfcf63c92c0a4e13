/** @file In how many lanes a run computes its batches: as told, as its checkpoint says, or by a rule. */
import type { Backend } from "../backend/backend.ts";
import { BackendError, CheckpointError, FirthError } from "../base/errors.ts";

/** Parts of a batch that run at the same time, each on its share of the threads. */
export type Lanes = 1 | 2;

/** Whether an engine can run two graphs at the same time. */
const isAble = (backend: Backend): boolean => (backend.maxLanes ?? 1) >= 2;

/** Lanes that a step of a run is made ready for. */
export function mostLanes(asked: Lanes | "auto", backend: Backend): Lanes {
  if (asked !== "auto") return asked;
  return isAble(backend) ? 2 : 1;
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

/**
 * A model with more weights runs in one lane where nothing is said: its products are large enough for all threads. Two lanes
 * were 4 to 29 % faster with 1 to 11 million weights (batches of 32 rows), and no faster with 29 million (`bench/lanes.mjs`).
 */
const MOST_WEIGHTS = 20e6;

/** Errors that mean "not in two lanes". */
const AGAINST_LANES = ["LANES_UNSUPPORTED", "MEMORY_EXCEEDED"];

export interface LaneFacts {
  readonly asked: Lanes | "auto";
  readonly backend: Backend;
  /** The checkpoint that the run goes on from, and its lanes. */
  readonly recorded?: { readonly checkpoint: string; readonly lanes: Lanes } | undefined;
  /** Of the model. */
  readonly numWeights: number;
  /** Throws where the run's batches cannot be divided, or two parts of them have no room. */
  readonly requireTwo: () => void;
}

/**
 * Decides the lanes of a run. Nothing is timed: lanes sum gradients in another order, and the same run must give the same numbers.
 * @returns the lanes, and a sentence on them where there was a choice
 * @throws {CheckpointError} LANES_MISMATCH when the checkpoint's run had others: its numbers could not be gone on with
 */
export function chooseLanes(facts: LaneFacts): { readonly lanes: Lanes; readonly reason: string | undefined } {
  const { asked, backend, recorded, numWeights, requireTwo } = facts;
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
    if (lanes === 2 && !isAble(backend)) return { lanes: 1, reason: `1, where the checkpoint has 2: ${without}` };
    return { lanes, reason: `${lanes}, as in the checkpoint` };
  }
  if (!isAble(backend)) return { lanes: 1, reason: `1: ${without}` };
  const inWords = (count: number): string => count.toLocaleString("en");
  const size = `the model has ${inWords(numWeights)} weights, and two lanes are for at most ${inWords(MOST_WEIGHTS)}`;
  if (numWeights > MOST_WEIGHTS) return { lanes: 1, reason: `1: ${size}` };
  try {
    requireTwo();
    return { lanes: 2, reason: `2: ${size}` };
  } catch (error) {
    if (!(error instanceof FirthError) || !AGAINST_LANES.includes(error.code)) throw error;
    return { lanes: 1, reason: `1: ${error.message}` };
  }
}
