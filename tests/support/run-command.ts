/** @file Runs a command of the `firth` program inside a test and keeps what it writes. */
import process from "node:process";
import { vi } from "vitest";
import { createProgram } from "../../src/cli/program.ts";

/** What a command wrote, and how it ended; `code` is undefined where it did what it was asked for. */
export interface CommandResult {
  readonly out: string;
  readonly error: string;
  readonly code: unknown;
}

export async function runCommand(...args: string[]): Promise<CommandResult> {
  const texts = { out: "", error: "" };
  const take = (stream: "out" | "error") => (text: unknown) => {
    texts[stream] += String(text);
    return true;
  };
  const spies = [
    vi.spyOn(process.stdout, "write").mockImplementation(take("out")),
    vi.spyOn(process.stderr, "write").mockImplementation(take("error")),
  ];
  process.exitCode = undefined;
  try {
    await createProgram().parseAsync(["node", "firth", ...args]);
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
  return { ...texts, code: process.exitCode };
}
