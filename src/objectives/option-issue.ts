/** @file Checks of options that several objectives have. */
import type { ConfigIssue } from "../base/errors.ts";

/** An issue where an option is none of its choices. */
export function choiceIssues(path: string, value: unknown, choices: readonly string[]): ConfigIssue[] {
  if (choices.includes(value as string)) return [];
  const known = choices.map((choice) => `"${choice}"`).join(" or ");
  return [{ path, message: `must be ${known}; got ${JSON.stringify(value)}.`, code: "CONFIG_VALUE" }];
}

/** An issue where an option is no whole number from 1 on. */
export function countIssues(path: string, value: number): ConfigIssue[] {
  if (Number.isInteger(value) && value >= 1) return [];
  return [{ path, message: `must be a whole number ≥ 1; got ${value}.`, code: "CONFIG_RANGE" }];
}

/** An issue where the shares of hidden tokens that become [MASK] and others are no shares of one whole. */
export function corruptionIssues(options: {
  readonly maskTokenProbability: number;
  readonly randomTokenProbability: number;
}): ConfigIssue[] {
  const { maskTokenProbability: masked, randomTokenProbability: random } = options;
  if (masked >= 0 && random >= 0 && masked + random <= 1) return [];
  const message = `and randomTokenProbability must be ≥ 0 and sum to at most 1; got ${masked} and ${random}.`;
  return [{ path: "maskTokenProbability", message, code: "CONFIG_RANGE" }];
}
