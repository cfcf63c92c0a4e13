// The loop of a side that is a Node program, see stepper.mjs.

import { createInterface } from "node:readline";

const say = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);

/**
 * Makes one step for each line "step" on standard input, then reports.
 * @param {() => Promise<unknown>} step its time is what is answered
 * @param {(times: number[]) => Promise<object>} report
 */
export async function answerSteps(step, report) {
  const times = [];
  say({ ready: true });
  for await (const line of createInterface({ input: process.stdin })) {
    if (line.trim() === "") continue;
    if (line.trim() !== "step") {
      say({ error: `unknown command ${JSON.stringify(line)}; only "step"` });
      continue;
    }
    const began = performance.now();
    await step();
    times.push(performance.now() - began);
    say({ stepMs: times.at(-1) });
  }
  say({ allStepMs: times, peakRssBytes: 1024 * process.resourceUsage().maxRSS, ...(await report(times)) });
}

/** What a side without a tongue of its own says when it fails. */
export function failPlainly() {
  process.on("uncaughtException", (error) => {
    console.error(error.message);
    process.exit(1);
  });
}
