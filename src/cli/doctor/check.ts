/** What one check found out. */
export interface Check {
  readonly name: string;
  readonly status: "ok" | "warn" | "fail";
  readonly detail: string;
  /** What to do about it; only where something is to be done. */
  readonly fix?: string;
}

/** A check whose failure is an exception. */
export async function attempt(name: string, fix: string, run: () => Promise<string> | string): Promise<Check> {
  try {
    return { name, status: "ok", detail: await run() };
  } catch (error) {
    return { name, status: "fail", detail: error instanceof Error ? error.message : String(error), fix };
  }
}
