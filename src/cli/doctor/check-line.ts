import type { Check } from "./check.ts";

/** A check as people read it. @param width of the longest name */
export function checkLine({ name, status, detail, fix }: Check, width: number): string {
  const line = `${status.padEnd(4)}  ${name.padEnd(width)}  ${detail}`;
  return fix === undefined || status === "ok" ? line : `${line}\n${" ".repeat(width + 8)}→ ${fix}`;
}
