/** @file Where in the caller's program a node was traced. */
import { ShapeError } from "../base/errors.ts";

/** Folders whose frames are machinery, not the place a reader looks for; the tests beside it are its users. */
const machinery = /[\\/](?:src|dist)[\\/](?:ir|tensor|autodiff|base)[\\/](?!.*\.test\.)/;

/** `models/bert/model.ts:88` of a stack, or undefined when no frame lies outside the machinery. */
function sourceLine(stack: string): string | undefined {
  for (const line of stack.split("\n")) {
    const match = /\(?((?:file:\/\/)?[^()\s]+):(\d+):\d+\)?$/.exec(line.trim());
    if (!line.trim().startsWith("at ") || match === null || line.includes("node:") || machinery.test(match[1]!))
      continue;
    const path = match[1]!.replace(/^file:\/\//, "");
    const inside = /[\\/](?:src|dist)[\\/](.*)$/.exec(path);
    return `${inside?.[1] ?? path.split(/[\\/]/).slice(-2).join("/")}:${match[2]}`;
  }
  return undefined;
}

/**
 * A refusal with the line that caused it, unless it has one.
 * @param source the line; by default it is read from the error's own stack
 */
export function located(error: unknown, source?: string): unknown {
  if (!(error instanceof ShapeError) || error.details.source !== undefined) return error;
  const line = source ?? sourceLine(error.stack ?? "");
  if (line === undefined) return error;
  const { code, details } = error;
  return new ShapeError(`${error.message} Traced at ${line}.`, {
    code,
    details: { ...details, source: line },
    cause: error,
  });
}

/** Holds the stack of the moment it is made; formatting waits until somebody asks. */
export class SourceMark {
  private readonly error: Error;

  constructor() {
    const limit = Error.stackTraceLimit;
    Error.stackTraceLimit = 16;
    this.error = new Error("trace");
    Error.stackTraceLimit = limit;
  }

  /** `models/bert/model.ts:88`, or undefined when no frame lies outside the machinery. */
  format(): string | undefined {
    return sourceLine(this.error.stack ?? "");
  }
}
