/** @file Runs a command of the `firth` program inside a test and keeps what it writes. */
import process from "node:process";
import { vi } from "vitest";
import { createProgram } from "../../src/cli/program.ts";

export async function runCommand(...args: string[]): Promise<{ out: string; error: string }> {
  const texts = { out: "", error: "" };
  const take = (stream: "out" | "error") => (text: unknown) => {
    texts[stream] += String(text);
    return true;
  };
  const spies = [
    vi.spyOn(process.stdout, "write").mockImplementation(take("out")),
    vi.spyOn(process.stderr, "write").mockImplementation(take("error")),
  ];
  try {
    await createProgram().parseAsync(["node", "firth", ...args]);
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
  return texts;
}
