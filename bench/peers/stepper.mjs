// One side of a comparison: a child process that makes one training step for each line "step" on its standard input.
// Protocol: every answer is one JSON line; {"stepMs": …} answers a step, other objects before it (such as {"ready": true})
// are passed over, and the report follows the end of input.

import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

const canPause = process.platform !== "win32";

/** A side failed: it ended early, or wrote something that is not the protocol. */
export class SideError extends Error {}

/**
 * Starts one side; it warms up by itself and is then paused until its first block of steps.
 * @param {{ label: string, command: string, args: string[], env?: Record<string, string>, timeoutMs?: number }} options
 */
export async function startSide({ label, command, args, env = {}, timeoutMs = 900_000 }) {
  const child = spawn(command, args, { env: { ...process.env, ...env }, stdio: ["pipe", "pipe", "pipe"] });
  const lines = [];
  const waiting = [];
  let errors = "";
  let ended;

  const settle = () => {
    while (waiting.length > 0 && (lines.length > 0 || ended)) {
      const { resolve, reject } = waiting.shift();
      if (lines.length > 0) resolve(lines.shift());
      else reject(new SideError(`${label}: ended early (${ended}).\n${errors.trim()}`));
    }
  };
  child.stdin.on("error", () => {});
  child.stderr.on("data", (chunk) => {
    errors = (errors + chunk).slice(-4000);
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
    if (line.trim() !== "") lines.push(line);
    settle();
  });

  const nextObject = async () => {
    let timer;
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new SideError(`${label}: no answer in ${timeoutMs / 1000} s.`)), timeoutMs);
    });
    const line = new Promise((resolve, reject) => {
      waiting.push({ resolve, reject });
      settle();
    });
    const text = await Promise.race([line, late]).finally(() => clearTimeout(timer));
    try {
      return JSON.parse(text);
    } catch {
      throw new SideError(`${label}: standard output must be JSON lines; got ${JSON.stringify(text.slice(0, 200))}.`);
    }
  };

  const pause = () => canPause && child.kill("SIGSTOP");
  const resume = () => canPause && child.kill("SIGCONT");

  const step = async () => {
    child.stdin.write("step\n");
    for (;;) {
      const answer = await nextObject();
      if (answer.error) throw new SideError(`${label}: ${answer.error}`);
      if (typeof answer.stepMs === "number") return answer.stepMs;
    }
  };

  return {
    label,
    /** Makes `count` steps while the other side is paused; returns milliseconds, as the side itself measured them. */
    async steps(count) {
      resume();
      const times = [];
      for (let made = 0; made < count; made++) times.push(await step());
      pause();
      return times;
    },
    /** Closes the side's input and returns its report. */
    async finish() {
      resume();
      child.stdin.end();
      let report;
      for (;;) {
        try {
          report = await nextObject();
        } catch (error) {
          if (report && ended === "exit code 0") return report;
          throw error;
        }
      }
    },
    stop() {
      resume();
      child.kill("SIGKILL");
    },
  };
}
