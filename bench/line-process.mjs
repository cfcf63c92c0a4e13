// A child process that answers with lines of JSON, one at a time: what all protocols of sides are made of.

import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

/** A side ended early, was late, or wrote something that is not the protocol. */
export class SideError extends Error {}

/**
 * Starts a side.
 * @param {{ label: string, command: string, args: string[], env?: Record<string, string> }} side
 * @param {{ allowsOther?: boolean }} [options] whether lines that are no objects are passed over: libraries write to
 *   standard output, too
 */
export function startProcess({ label, command, args, env = {} }, { allowsOther = false } = {}) {
  const child = spawn(command, args, { env: { ...process.env, ...env }, stdio: ["pipe", "pipe", "pipe"] });
  const lines = [];
  const waiting = [];
  let errors = "";
  let ended;

  const settle = () => {
    while (waiting.length > 0 && (lines.length > 0 || ended !== undefined)) {
      const { resolve, reject } = waiting.shift();
      if (lines.length > 0) resolve(lines.shift());
      else reject(new SideError(`${label}: ended early (${ended}).\n${errors.trim()}`));
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
    if (allowsOther ? line.startsWith("{") : line.trim() !== "") lines.push(line);
    settle();
  });

  return {
    label,
    /** How it ended; undefined while it runs. */
    get ended() {
      return ended;
    },
    write: (line) => child.stdin.write(`${line}\n`),
    endInput: () => child.stdin.end(),
    kill: (signal) => child.kill(signal),
    /** The next line as an object. @throws {SideError} after so many milliseconds; what the side calls an error */
    async next(lateMs) {
      let timer;
      const line = new Promise((resolve, reject) => {
        const wish = { resolve, reject };
        waiting.push(wish);
        timer = setTimeout(() => {
          waiting.splice(waiting.indexOf(wish), 1);
          reject(new SideError(`${label}: no answer in ${(lateMs / 1000).toFixed(0)} s.\n${errors.trim()}`));
        }, lateMs);
        settle();
      });
      const text = await line.finally(() => clearTimeout(timer));
      let object;
      try {
        object = JSON.parse(text);
      } catch {
        throw new SideError(`${label}: standard output must be JSON lines; got ${JSON.stringify(text.slice(0, 200))}.`);
      }
      if (object.error !== undefined) throw new SideError(`${label}: ${object.error}`);
      return object;
    },
  };
}
