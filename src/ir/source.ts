/** @file Where in the caller's program a node was traced. */

/** Folders whose frames are machinery, not the place a reader looks for. */
const machinery = /[\\/](?:src|dist)[\\/](?:ir|tensor|autodiff|base)[\\/]/;

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
    for (const line of (this.error.stack ?? "").split("\n").slice(1)) {
      const match = /\(?((?:file:\/\/)?[^()\s]+):(\d+):\d+\)?$/.exec(line.trim());
      if (match === null || line.includes("node:") || machinery.test(match[1]!)) continue;
      const path = match[1]!.replace(/^file:\/\//, "");
      const inside = /[\\/](?:src|dist)[\\/](.*)$/.exec(path);
      return `${inside?.[1] ?? path.split(/[\\/]/).slice(-2).join("/")}:${match[2]}`;
    }
    return undefined;
  }
}
