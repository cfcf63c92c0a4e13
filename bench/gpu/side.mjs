// The protocol of a side: it warms up and says {"ready": true}; a line "steps N" makes N steps, answered by
// {"blockMs": …}; at the end of the input the report follows. Every answer is one line of JSON.

import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

export const say = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);

/** Answers the lines of standard input. @param block makes so many steps and gives their milliseconds */
export async function answerBlocks(block) {
  say({ ready: true });
  for await (const line of createInterface({ input: process.stdin })) {
    const count = /^steps (\d+)$/.exec(line.trim())?.[1];
    if (count !== undefined) say({ blockMs: await block(Number(count)) });
    else if (line.trim() !== "") say({ error: `unknown command ${JSON.stringify(line.trim())}; only "steps N"` });
  }
}

/** A side ended early, was late, or wrote something that is not the protocol. */
export class SideFailure extends Error {}

/**
 * Starts a side in a process of its own.
 * @param {{ label: string, command: string, args: string[], env?: Record<string, string> }} side
 * @param {number} lateMs after so long without an answer it is given up
 */
export function openSide({ label, command, args, env = {} }, lateMs) {
  const child = spawn(command, args, { env: { ...process.env, ...env }, stdio: ["pipe", "pipe", "pipe"] });
  const lines = [];
  const waiting = [];
  let errors = "";
  let ended;
  const settle = () => {
    while (waiting.length > 0 && (lines.length > 0 || ended !== undefined)) {
      const { resolve, reject } = waiting.shift();
      if (lines.length > 0) resolve(lines.shift());
      else reject(new SideFailure(`${label} ended early (${ended}).\n${errors.trim()}`));
    }
  };
  child.stdin.on("error", () => {});
  child.stderr.on("data", (chunk) => {
    errors = (errors + chunk).slice(-6000);
  });
  child.on("error", (error) => {
    ended ??= error.message;
    settle();
  });
  child.on("close", (code, signal) => {
    ended ??= signal ?? `exit code ${code}`;
    settle();
  });
  createInterface({ input: child.stdout }).on("line", (line) => {
    // Libraries write to standard output, too.
    if (line.startsWith("{")) lines.push(line);
    settle();
  });
  const answer = async () => {
    let timer;
    const line = new Promise((resolve, reject) => {
      waiting.push({ resolve, reject });
      timer = setTimeout(
        () => reject(new SideFailure(`${label}: no answer in ${lateMs / 1000} s.\n${errors}`)),
        lateMs,
      );
      settle();
    });
    const object = JSON.parse(await line.finally(() => clearTimeout(timer)));
    if (object.error !== undefined) throw new SideFailure(`${label}: ${object.error}`);
    return object;
  };
  return {
    /** Resolves when the side has warmed up. */
    ready: async () => {
      for (;;) if ((await answer()).ready) return;
    },
    /** Milliseconds of so many steps, as the side measured them. */
    block: async (count) => {
      child.stdin.write(`steps ${count}\n`);
      for (;;) {
        const { blockMs } = await answer();
        if (blockMs !== undefined) return blockMs;
      }
    },
    /** The side's report. */
    finish: async () => {
      child.stdin.end();
      for (;;) {
        const report = await answer();
        if (report.side !== undefined) return report;
      }
    },
    stop: () => child.kill("SIGKILL"),
  };
}
