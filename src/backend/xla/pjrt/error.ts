/** @file What plugins say when something fails, as Firth's errors. */
import { BackendError } from "../../../base/errors.ts";
import type { statusNames } from "./api-table.ts";

export type StatusName = (typeof statusNames)[number];

/** Compilers may print a whole program. */
const MOST_WORDS = 4000;

function shortened(words: string): string {
  const text = words.trim().replace(/\.$/, "");
  return text.length <= MOST_WORDS ? text : `${text.slice(0, MOST_WORDS)} … (${text.length} characters in all)`;
}

/** A call of a plugin that failed; callers say in their own terms what that means. */
export class PjrtFailure extends BackendError {
  readonly status: StatusName;
  /** The plugin's words. */
  readonly words: string;

  constructor(call: string, status: StatusName, words: string) {
    super(`the plugin's ${call} failed: ${shortened(words)} (${status}).`, {
      code: "PJRT_FAILED",
      path: "xla",
      details: { call, status, words },
    });
    this.status = status;
    this.words = words;
  }
}

/** A program may need the wording of a plugin's error; it is kept in the details. */
export function failureOf(cause: unknown, code: string, what: string, advice: string): unknown {
  if (!(cause instanceof PjrtFailure)) return cause;
  const { status, words } = cause;
  return new BackendError(`${what}; ${status}: ${shortened(words)}. ${advice}`, {
    code,
    path: "xla",
    cause,
    details: { status, words },
  });
}

/** Memory of a device, as far as the plugin tells. */
export interface DeviceMemory {
  readonly bytesInUse: number;
  readonly bytesLimit: number | undefined;
  readonly peakBytesInUse: number | undefined;
}

const gibibytes = (bytes: number): string => `${(bytes / 2 ** 30).toFixed(2)} GiB`;

/** Bytes that a plugin says it was asked for. */
function bytesAsked(words: string): number | undefined {
  const found = /alloca\w*\s+(?:request\s+(?:of|for)\s+)?(\d+)\s*(?:bytes|B\b)/i.exec(words)?.[1];
  return found === undefined ? undefined : Number(found);
}

/**
 * A failure for want of memory as OUT_OF_MEMORY with sizes; any other as it came.
 * @param memory asked for only when memory is wanting
 */
export function memoryFailure(cause: unknown, what: string, memory: () => DeviceMemory | undefined): unknown {
  if (!(cause instanceof PjrtFailure) || cause.status !== "RESOURCE_EXHAUSTED") return cause;
  const asked = bytesAsked(cause.words);
  const device = memory();
  const facts = [
    asked === undefined ? "" : `${asked} bytes (${gibibytes(asked)}) asked for`,
    device?.bytesLimit === undefined ? "" : `${gibibytes(device.bytesLimit)} there`,
    device === undefined ? "" : `${gibibytes(device.bytesInUse)} in use`,
  ].filter((fact) => fact !== "");
  const sizes = facts.length === 0 ? "" : `; ${facts.join(", ")}`;
  return new BackendError(
    `${what} ran out of the device's memory${sizes}: ${shortened(cause.words)}. Use a smaller batch or model.`,
    { code: "OUT_OF_MEMORY", path: "xla", cause, details: { askedBytes: asked, ...device, words: cause.words } },
  );
}
