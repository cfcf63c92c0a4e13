// The protocol of a side: it warms up and says {"ready": true}; a line "steps N" makes N steps, answered by
// {"blockMs": …}; at the end of the input the report follows. Every answer is one line of JSON.

import { createInterface } from "node:readline";
import { startProcess } from "../line-process.mjs";

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

/**
 * Starts a side in a process of its own.
 * @param {{ label: string, command: string, args: string[], env?: Record<string, string> }} options
 * @param {() => number} lateMs after so long without an answer it is given up
 */
export function openSide(options, lateMs) {
  const side = startProcess(options, { allowsOther: true });
  const until = async (name) => {
    for (;;) {
      const answer = await side.next(lateMs());
      if (answer[name] !== undefined) return answer;
    }
  };
  return {
    /** Resolves when the side has warmed up. */
    ready: () => until("ready"),
    /** Milliseconds of so many steps, as the side measured them. */
    block: async (count) => {
      side.write(`steps ${count}`);
      return (await until("blockMs")).blockMs;
    },
    /** The side's report. */
    finish: () => {
      side.endInput();
      return until("side");
    },
    stop: () => side.kill("SIGKILL"),
  };
}
