/** @file What a run leaves on disk: metrics, TensorBoard events, checkpoints. */

import { join } from "node:path";
import { CheckpointError } from "../base/errors.ts";
import {
  findLatestCheckpoint,
  loadCheckpoint,
  makeRunFolder,
  type SavedCheckpoint,
  saveCheckpoint,
} from "../formats/checkpoint.ts";
import type { JsonObject } from "../formats/json-text.ts";
import { type MetricsLog, openMetricsLog } from "../formats/metrics-log.ts";
import type { TensorToWrite } from "../formats/safetensors-writer.ts";
import { openTensorboard, type TensorboardWriter } from "../formats/tensorboard.ts";
import type { TrainEvent } from "./event.ts";
import type { Lanes } from "./lane-choice.ts";
import type { ModelStore } from "./model-store.ts";

/** What a checkpoint remembers besides weights and optimizer state. */
export interface RunState {
  readonly step: number;
  /** Names the run: model, data, options. A checkpoint of another run is refused. */
  readonly fingerprint: string;
  /** In how many lanes batches run; 1 in checkpoints that do not say. */
  readonly lanes?: Lanes;
  readonly best: { readonly step: number; readonly score: number } | null;
  readonly evaluationsSinceBest: number;
  /** Bytes of metrics.jsonl when the checkpoint was made. */
  readonly metricsPosition: number;
}

/** One run's folder while the run goes. */
export class RunFolder {
  readonly folder: string;
  private readonly metrics: MetricsLog;
  private readonly board: TensorboardWriter;
  private readonly keepLast: number;

  private constructor(folder: string, metrics: MetricsLog, board: TensorboardWriter, keepLast: number) {
    this.folder = folder;
    this.metrics = metrics;
    this.board = board;
    this.keepLast = keepLast;
  }

  /** Opens a folder for writing, going on after the state of the checkpoint that the run resumes from, if any. */
  static async open(
    folder: string,
    options: { readonly keepLast: number; readonly resume?: RunState | undefined },
  ): Promise<RunFolder> {
    const { resume, keepLast } = options;
    await makeRunFolder(folder);
    const path = join(folder, "metrics.jsonl");
    const metrics = await openMetricsLog(path, resume === undefined ? undefined : { position: resume.metricsPosition });
    const board = await openTensorboard(folder, resume === undefined ? {} : { resumeStep: resume.step });
    return new RunFolder(folder, metrics, board, keepLast);
  }

  /** Logs what belongs into the files; times are left out of metrics.jsonl, so that equal runs give equal files. */
  async log(event: TrainEvent): Promise<void> {
    if (event.kind === "step") {
      const { step, loss, means, learningRate, gradientNorm, numTokens } = event;
      await this.metrics.append({ step, kind: "train", loss, ...means, learningRate, gradientNorm, numTokens });
      const rates = { "speed/tokensPerSecond": event.tokensPerSecond, "speed/fillRatio": event.fillRatio };
      await this.board.scalars(step, {
        "train/loss": loss,
        ...prefixed("train/", means),
        learningRate,
        gradientNorm,
        ...rates,
      });
    } else if (event.kind === "evaluation") {
      // A figure of held-out data may be undefined without anything being wrong with the run.
      const figures = Object.entries({ loss: event.loss, ...event.means });
      const written = figures.map(([name, value]) => [name, Number.isFinite(value) ? value : null] as const);
      await this.metrics.append({ step: event.step, kind: "evaluation", ...Object.fromEntries(written) });
      await this.board.scalars(event.step, { "eval/loss": event.loss, ...prefixed("eval/", event.means) });
    }
  }

  /** Saves weights and optimizer state with the run's state. */
  async save(
    store: ModelStore,
    sections: readonly string[],
    state: Omit<RunState, "metricsPosition">,
  ): Promise<SavedCheckpoint> {
    await this.metrics.flush();
    await this.board.flush();
    // In double precision a resume is bit for bit too.
    const dtype = (await store.holdsDoubles()) ? ("F64" as const) : ("F32" as const);
    const tensors = function* (section: string, prefix: string): Generator<TensorToWrite> {
      for (const name of store.names) {
        const buffer = store.buffer(section, name);
        yield {
          name: `${prefix}${name}`,
          dtype,
          shape: buffer.shape,
          data: async () => (await buffer.read()) as Float32Array | Float64Array,
        };
      }
    };
    const optimizer = function* (): Generator<TensorToWrite> {
      for (const section of sections) yield* tensors(section, `${section}/`);
    };
    return saveCheckpoint(
      this.folder,
      {
        step: state.step,
        state: { ...state, metricsPosition: this.metrics.position } as unknown as JsonObject,
        model: tensors("value", ""),
        optimizer: optimizer(),
      },
      { keepLast: this.keepLast, keepSteps: state.best === null ? [] : [state.best.step] },
    );
  }

  close(): void {
    this.metrics.close();
    this.board.close();
  }
}

function prefixed(prefix: string, record: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [`${prefix}${key}`, value]));
}

/** The newest whole checkpoint of a run folder, and which newer ones were skipped for being broken. */
export async function findResume(
  folder: string,
): Promise<{ readonly checkpoint: string | undefined; readonly notices: readonly string[] }> {
  const { latest, broken } = await findLatestCheckpoint(folder);
  const notices = broken.map((item) => `${item.folder} is skipped: ${item.reason}`);
  return { checkpoint: latest?.folder, notices };
}

/**
 * Reads weights (and the given sections) of a checkpoint into a store.
 * @throws {CheckpointError} RUN_MISMATCH when it belongs to another run
 */
export async function restore(
  checkpoint: string,
  store: ModelStore,
  sections: readonly string[],
  fingerprint: string,
): Promise<RunState> {
  const loaded = await loadCheckpoint(checkpoint, "sizes");
  try {
    const state = loaded.state as unknown as RunState;
    if (state.fingerprint !== fingerprint) {
      throw new CheckpointError(
        "was made by a run with another model, data or options. Use another outputDir, or the same recipe.",
        { code: "RUN_MISMATCH", path: checkpoint, details: { expected: fingerprint, actual: state.fingerprint } },
      );
    }
    for (const name of store.names) {
      const buffer = store.buffer("value", name);
      buffer.write((await loaded.model.readStored(name)).data as Float32Array | Float64Array);
      for (const section of sections) {
        const kept = (await loaded.optimizer.readStored(`${section}/${name}`)).data as Float32Array | Float64Array;
        store.buffer(section, name).write(kept);
      }
    }
    return state;
  } finally {
    await loaded.close();
  }
}
