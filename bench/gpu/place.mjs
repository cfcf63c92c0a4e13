// What the parts of a run share: its options, its clock, its records, and how programs are started.

import { spawn } from "node:child_process";
import { appendFileSync, mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { SideError } from "../line-process.mjs";
import { machine, today } from "../section.mjs";
import { summaryLines } from "./section.mjs";

export const here = dirname(fileURLToPath(import.meta.url));

const text = { type: "string" };
const flag = { type: "boolean", default: false };

/** Options of run.mjs, with what they are when left out. */
function given() {
  const { values } = parseArgs({
    options: {
      ...{ out: text, works: text, plan: text, minutes: text, rounds: text, block: text, sides: text, patience: text },
      ...{ engine: text, device: text, python: text, carried: text, plugin: text, attention: text, flags: text },
      ...{ trial: flag, source: flag },
    },
  });
  const engine = values.engine ?? "cuda";
  return {
    ...values,
    out: values.out ?? process.env.OUT ?? "gpu-out",
    python: values.python ?? "python3",
    engine,
    device: values.device ?? (engine === "cuda" ? "cuda" : "cpu"),
    carried: values.carried ?? ".gpu",
    rounds: Number(values.rounds ?? 3),
    block: Number(values.block ?? (values.trial ? 3 : 20)),
    minutes: Number(values.minutes ?? 9),
    // What the limits of the parts are multiplied by, on a slow machine.
    patience: Number(values.patience ?? 1),
  };
}

/** Where, on what and for how long a run measures. */
export class Place {
  began = performance.now();
  options = given();

  constructor() {
    const { out, source } = this.options;
    mkdirSync(out, { recursive: true });
    writeFileSync(this.records, "");
    this.scratch = mkdtempSync(join(tmpdir(), "firth-gpu-"));
    // From the sources, with tsx, for whoever works on them.
    if (source) process.env.FIRTH_SOURCE = "1";
  }

  get records() {
    return join(this.options.out, "gpu.jsonl");
  }

  get secondsLeft() {
    return 60 * this.options.minutes - (performance.now() - this.began) / 1000;
  }

  /** Milliseconds that a part still has, at least one second: asked again whenever something is waited for. */
  clock(seconds) {
    const end = performance.now() + 1000 * Math.min(seconds * this.options.patience, this.secondsLeft);
    return () => Math.max(1000, end - performance.now());
  }

  tell(message) {
    console.error(`${((performance.now() - this.began) / 1000).toFixed(0)} s: ${message}`);
  }

  /** Writes a record down at once: a run that is stopped keeps what it has. */
  keep(record) {
    appendFileSync(this.records, `${JSON.stringify({ date: today(), machine: machine(), ...record })}\n`);
    for (const line of summaryLines(record)) console.log(line);
  }

  /** What Firth's and JAX's sides compute in: engines without bf16 try the script in f32. */
  get dtype() {
    return /^(cuda|xla)/.test(this.options.engine) ? "bf16" : "f32";
  }

  /** Arguments with which Node runs one of our programs. */
  firth(program, ...args) {
    const { engine, python, plugin, attention, flags, source } = this.options;
    const named = { engine, python, plugin, attention, flags };
    return [
      ...(source ? ["--import", "tsx"] : []),
      join(here, program),
      ...Object.entries(named).flatMap(([name, value]) => (value === undefined ? [] : [`--${name}`, value])),
      ...args.map(String),
    ];
  }

  /**
   * The lines of JSON that a program writes, and how it failed where it did: what it wrote before stays.
   * @param {{ lateMs: () => number, input?: string, env?: Record<string, string> }} options
   */
  async lines(command, args, { lateMs, input = "", env = {} }) {
    const child = spawn(command, args, { stdio: ["pipe", "pipe", "pipe"], env: { ...process.env, ...env } });
    const seconds = lateMs() / 1000;
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      child.kill("SIGKILL");
    }, 1000 * seconds);
    let [written, errors] = ["", ""];
    child.stdout.on("data", (chunk) => {
      written += chunk;
    });
    child.stderr.on("data", (chunk) => {
      errors = (errors + chunk).slice(-4000);
    });
    child.stdin.on("error", () => {});
    child.stdin.end(input);
    const code = await new Promise((resolve) => {
      child.on("close", (status, signal) => resolve(status ?? signal));
      child.on("error", (error) => resolve(error.message));
    }).finally(() => clearTimeout(timer));
    const lines = written
      .split("\n")
      .filter((line) => line.startsWith("{") && line.endsWith("}"))
      .map((line) => JSON.parse(line));
    if (code === 0) return { lines };
    const why = isLate ? `was stopped after ${seconds.toFixed(0)} s` : `ended with ${code}`;
    return { lines, failure: new SideError(`${[command, ...args].slice(0, 2).join(" ")} ${why}.\n${errors.trim()}`) };
  }
}
