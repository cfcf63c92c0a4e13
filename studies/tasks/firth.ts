/** @file The project's command line as a program of its own: what goes wrong there does not end the study. */
import { type ChildProcess, spawn } from "node:child_process";
import process from "node:process";

/** Programs that are running, to be ended with this one. */
const running = new Set<ChildProcess>();
for (const name of ["SIGINT", "SIGTERM"] as const) {
  process.once(name, () => {
    for (const child of running) child.kill("SIGTERM");
    process.exit(name === "SIGINT" ? 130 : 143);
  });
}

/** A command as it is typed. */
export function commandText(args: readonly string[]): string {
  return `firth ${args.map((word) => (/[^\w./=,:-]/.test(word) ? `'${word}'` : word)).join(" ")}`;
}

/**
 * Runs `firth ARGS --json`.
 * @param build whether the build is run, not the sources
 * @returns what it printed
 * @throws {Error} with the end of what it said, where it failed
 */
export function firth<T>(args: readonly string[], { build = false } = {}): Promise<T> {
  const program = build ? ["dist/cli/main.js"] : ["--import", "tsx", "src/cli/main.ts"];
  const child = spawn(process.execPath, [...program, ...args, "--json"], { stdio: ["ignore", "pipe", "pipe"] });
  running.add(child);
  let [told, said] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    told += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    said = (said + text).slice(-2000);
  });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (status, signal) => {
      running.delete(child);
      if (status === 0) resolve(JSON.parse(told) as T);
      else reject(new Error(`${commandText(args)}\nended with ${signal ?? status}:\n${said.trim()}`));
    });
  });
}
