/** @file Where the study keeps what it made. */
import { join } from "node:path";

export const runFolder = join("runs", "half-precision");

export interface PrecisionRun {
  readonly engine: string;
  readonly dtype: string;
  readonly seconds: number;
  /** Step and training loss, nats. */
  readonly curve: readonly (readonly [number, number])[];
  /** Step and held-out loss, nats. */
  readonly evaluations: readonly (readonly [number, number])[];
}

export const curveFile = (engine: string, dtype: string): string => join(runFolder, `${engine}-${dtype}.json`);
