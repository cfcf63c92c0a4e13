/** @file Runs a program and watches the memory and the processor time of it and of everything that it starts. */
import { spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";

/** What a program took, with all its processes. */
export interface TreeUsage {
  readonly seconds: number;
  /** Highest memory of all processes together at one moment, shared pages counted once. */
  readonly peakBytes: number;
  /** Time of all processors, user and system. */
  readonly processorSeconds: number;
  readonly stdout: string;
}

const sampleMs = 200;
const ticksASecond = 100;

interface ProcessFacts {
  readonly id: number;
  readonly parent: number;
  /** Ticks of the process, and of its children that have ended. */
  readonly ticks: number;
}

function processFacts(id: number): ProcessFacts | undefined {
  try {
    const text = readFileSync(`/proc/${id}/stat`, "utf8");
    // The name, in brackets, may hold spaces.
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    const ticks = [11, 12, 13, 14].reduce((sum, index) => sum + Number(fields[index]), 0);
    return { id, parent: Number(fields[1]), ticks };
  } catch {
    return undefined;
  }
}

/** Memory of one process; a page that n processes share counts as 1/n. */
function memoryBytes(id: number): number {
  try {
    return 1024 * Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${id}/smaps_rollup`, "utf8"))?.[1] ?? 0);
  } catch {
    return 0;
  }
}

/** A process and all its descendants that live now. */
function tree(root: number): ProcessFacts[] {
  const all = readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map((name) => processFacts(Number(name)))
    .filter((facts) => facts !== undefined);
  const found = all.filter(({ id }) => id === root);
  for (const { id } of found) found.push(...all.filter(({ parent }) => parent === id));
  return found;
}

/**
 * Runs a program to its end.
 * @throws {Error} with the end of its error output when it fails
 */
export async function watchProgram(command: string, args: readonly string[]): Promise<TreeUsage> {
  const begin = performance.now();
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"] });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr = (stderr + text).slice(-4000);
  });
  let peakBytes = 0;
  let ticks = 0;
  const sample = () => {
    const processes = child.pid === undefined ? [] : tree(child.pid);
    peakBytes = Math.max(
      peakBytes,
      processes.reduce((sum, { id }) => sum + memoryBytes(id), 0),
    );
    ticks = Math.max(
      ticks,
      processes.reduce((sum, facts) => sum + facts.ticks, 0),
    );
  };
  const timer = setInterval(sample, sampleMs);
  try {
    const code = await new Promise<number | null>((done, fail) => {
      child.on("error", fail);
      child.on("close", done);
    });
    const seconds = (performance.now() - begin) / 1000;
    if (code !== 0) throw new Error(`${command} ${args.join(" ")} ended with ${code}:\n${stderr.trim()}`);
    return { seconds, peakBytes, processorSeconds: ticks / ticksASecond, stdout };
  } finally {
    clearInterval(timer);
  }
}

/** The last line of a program's output that is a JSON object. */
export function lastJson(stdout: string): Record<string, unknown> {
  const line = stdout.split("\n").findLast((text) => text.startsWith("{"));
  if (line === undefined) throw new Error(`no JSON in the output:\n${stdout.slice(-1000)}`);
  return JSON.parse(line) as Record<string, unknown>;
}
