import { closeSync, fsyncSync, ftruncateSync, openSync, readFileSync, writeSync } from "node:fs";
import { CheckpointError } from "../base/errors.ts";
import { readFailure, systemCode, writeFailure } from "./file-failure.ts";
import { decodeUtf8 } from "./json-file.ts";
import { isJsonObject, type JsonObject } from "./json-text.ts";

/** One line of `metrics.jsonl`; `step` counts optimizer steps. */
export interface MetricsRecord extends JsonObject {
  readonly step: number;
}

/** Where a resumed run goes on. */
export type MetricsResume =
  /** Keep the lines up to and including this step. */
  | { readonly step: number }
  /** Keep exactly this many bytes: the `position` that was saved with the checkpoint. */
  | { readonly position: number };

/** An append-only `metrics.jsonl`. */
export interface MetricsLog {
  readonly path: string;
  /** Bytes written so far; save it in a checkpoint to resume exactly there. */
  readonly position: number;
  /** Appends one line at once. @throws {CheckpointError} METRICS_RECORD, DISK_FULL, WRITE_FAILED */
  append(record: MetricsRecord): Promise<void>;
  /** Makes all lines survive a power failure; call it before a checkpoint is saved. */
  flush(): Promise<void>;
  close(): void;
}

interface Line {
  readonly record: MetricsRecord;
  /** Byte behind the line end. */
  readonly end: number;
}

/** Whole lines of a log; a last line without its line end was cut off by a crash and does not count. */
function parseLines(bytes: Uint8Array, path: string): Line[] {
  const lines: Line[] = [];
  let begin = 0;
  for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10, begin)) {
    const text = decodeUtf8(bytes.subarray(begin, end), path);
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      value = undefined;
    }
    if (!isJsonObject(value) || typeof value.step !== "number") {
      throw new CheckpointError(
        `line ${lines.length + 1}: must be a JSON object with a step; got ${text.slice(0, 60)}. Remove the line, or start the run in another folder.`,
        { code: "METRICS_LINE", path, details: { line: lines.length + 1 } },
      );
    }
    lines.push({ record: { ...value, step: value.step }, end: end + 1 });
    begin = end + 1;
  }
  return lines;
}

/**
 * Reads a `metrics.jsonl`; a last line that was cut off is left out.
 * @throws {CheckpointError} MISSING_FILE, METRICS_LINE
 */
export function readMetrics(path: string): MetricsRecord[] {
  try {
    return parseLines(readFileSync(path), path).map((line) => line.record);
  } catch (cause) {
    throw readFailure(cause, path);
  }
}

/** Bytes of an existing log that a resumed run keeps. */
function keptBytes(bytes: Uint8Array, resume: MetricsResume, path: string): number {
  if ("position" in resume) {
    if (resume.position <= bytes.length) return resume.position;
    throw new CheckpointError(
      `holds ${bytes.length} bytes, but ${resume.position} were written when the checkpoint was saved. Was it cut? Resume without it.`,
      { code: "METRICS_SHORT", path },
    );
  }
  // The first line beyond the resumed step ends what is kept: whatever follows it will be produced again.
  let kept = 0;
  for (const { record, end } of parseLines(bytes, path)) {
    if (record.step > resume.step) break;
    kept = end;
  }
  return kept;
}

function readExisting(path: string): Uint8Array {
  try {
    return readFileSync(path);
  } catch (cause) {
    if (systemCode(cause) === "ENOENT") return new Uint8Array(0);
    throw readFailure(cause, path);
  }
}

/**
 * Opens a run's metrics log. A new run starts an empty file; a resumed one cuts away what lies beyond the point where it
 * goes on, so that in the end the file equals that of a run that was never interrupted.
 *
 * @throws {CheckpointError} METRICS_LINE, METRICS_SHORT, NOT_WRITABLE, DISK_FULL, WRITE_FAILED
 */
export async function openMetricsLog(path: string, resume?: MetricsResume): Promise<MetricsLog> {
  const guard = async <T>(work: () => T): Promise<T> => {
    try {
      return work();
    } catch (cause) {
      throw await writeFailure(cause, path);
    }
  };
  let position = resume === undefined ? 0 : keptBytes(readExisting(path), resume, path);
  const file = await guard(() => openSync(path, "a"));
  await guard(() => ftruncateSync(file, position)).catch((cause: unknown) => {
    closeSync(file);
    throw cause;
  });
  return {
    path,
    get position() {
      return position;
    },
    async append(record) {
      const bad = Object.entries(record).find(([, value]) => typeof value === "number" && !Number.isFinite(value));
      if (bad !== undefined) {
        throw new CheckpointError(
          `step ${record.step}: ${bad[0]} must be a finite number; got ${bad[1]}. Log null instead.`,
          {
            code: "METRICS_RECORD",
            path,
          },
        );
      }
      const bytes = new TextEncoder().encode(`${JSON.stringify(record)}\n`);
      try {
        for (let done = 0; done < bytes.length; ) done += writeSync(file, bytes, done);
        position += bytes.length;
      } catch (cause) {
        // Half a line must not stand before the next one.
        ftruncateSync(file, position);
        throw await writeFailure(cause, path, bytes.length);
      }
    },
    flush: () => guard(() => fsyncSync(file)),
    close: () => closeSync(file),
  };
}
