import { type ConfigIssue, nearestName } from "../base/errors.ts";

/** Options that are none, each with the nearest name that is one. */
export function unknownKeys(options: object, known: readonly string[]): ConfigIssue[] {
  return Object.keys(options)
    .filter((key) => !known.includes(key))
    .map((key) => {
      const near = nearestName(key, known);
      const hint = near === undefined ? "Remove it" : `Did you mean ${near}`;
      return {
        path: key,
        message: `is no option; ${hint}${near === undefined ? "." : "?"}`,
        code: "CONFIG_UNKNOWN_KEY",
      };
    });
}

/** An issue where an option is given and no whole number from `least` on. */
export function wholeNumber(options: object, key: string, least: number): ConfigIssue[] {
  const value = (options as Readonly<Record<string, unknown>>)[key];
  if (value === undefined || (typeof value === "number" && Number.isInteger(value) && value >= least)) return [];
  return [
    { path: key, message: `must be a whole number from ${least}; got ${String(value)}.`, code: "CONFIG_OUT_OF_RANGE" },
  ];
}

/** An issue where an option is given and no number strictly between 0 and 1. */
export function properShare(options: object, key: string): ConfigIssue[] {
  const value = (options as Readonly<Record<string, unknown>>)[key];
  if (value === undefined || (typeof value === "number" && value > 0 && value < 1)) return [];
  return [
    {
      path: key,
      message: `must lie between 0 and 1, without both; got ${String(value)}.`,
      code: "CONFIG_OUT_OF_RANGE",
    },
  ];
}
