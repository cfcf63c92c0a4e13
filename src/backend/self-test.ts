/** @file Tries a native library in a child process, where a crash harms nobody, and remembers the verdict. */
import { fork } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { arch, platform, release, tmpdir, userInfo } from "node:os";
import { dirname, join } from "node:path";
import { pid, versions } from "node:process";
import { fileURLToPath } from "node:url";
import { koffiVersion } from "./koffi-version.ts";

/** What the child process found. */
export interface SelfTestReport {
  readonly passed: boolean;
  /** The engine's version, or what went wrong. */
  readonly detail: string;
}

/** The report with where it came from. */
export interface SelfTestVerdict extends SelfTestReport {
  readonly cached: boolean;
}

export interface SelfTestOptions {
  /** Where verdicts are kept; a folder for this user under the system's temporary folder by default. */
  readonly cacheFolder?: string;
  readonly timeoutMs?: number;
  /** The program to run, for tests of the self-test itself. */
  readonly program?: SelfTestProgram;
}

/** A module that writes a report as JSON to stdout. */
export interface SelfTestProgram {
  readonly url: URL;
  readonly execArgv: readonly string[];
}

/** What is tested. */
export interface SelfTest {
  readonly program: SelfTestProgram;
  readonly arguments: readonly string[];
  /** What the verdict depends on, beside koffi, Node and the system. */
  readonly facts: readonly unknown[];
}

/** A cold start on a busy machine takes about 2 s. */
const TIMEOUT_MS = 30_000;
/** A failure may have been the machine's bad day: it is believed for this long. */
const FAILURE_LIFETIME_MS = 60 * 60 * 1000;

/**
 * Whether a native library works on this machine, tried in a child process or remembered from an earlier try.
 *
 * A crash, a hang or wrong numbers are failures. A verdict holds for the given facts, koffi, Node and system; failures
 * are tried again after an hour, time-outs at once. Never throws: a folder that cannot be read or written only costs
 * the time of the test.
 */
export async function runSelfTest(test: SelfTest, options: SelfTestOptions = {}): Promise<SelfTestVerdict> {
  const file = join(options.cacheFolder ?? defaultCacheFolder(), `${verdictKey(test.facts)}.json`);
  const remembered = readVerdict(file);
  if (remembered !== undefined) {
    return { ...remembered, cached: true };
  }
  const { report, timedOut } = await runChild(test, options);
  if (!timedOut) {
    writeVerdict(file, report);
  }
  return { ...report, cached: false };
}

function defaultCacheFolder(): string {
  return join(tmpdir(), `firth-self-test-${userInfo().username.replace(/[^\w-]/g, "_")}`);
}

/** A name for everything that the verdict depends on. */
function verdictKey(facts: readonly unknown[]): string {
  const all = [...facts, koffiVersion(), versions.node, platform(), arch(), release()];
  return createHash("sha256").update(JSON.stringify(all)).digest("hex").slice(0, 32);
}

function readVerdict(file: string): SelfTestReport | undefined {
  try {
    const verdict = JSON.parse(readFileSync(file, "utf8")) as Partial<SelfTestReport> & { readonly time?: number };
    if (typeof verdict.passed !== "boolean" || typeof verdict.detail !== "string") {
      return undefined;
    }
    const age = Date.now() - (verdict.time ?? 0);
    const expired = !verdict.passed && (age < 0 || age > FAILURE_LIFETIME_MS);
    return expired ? undefined : { passed: verdict.passed, detail: verdict.detail };
  } catch {
    return undefined;
  }
}

/** Writes aside and renames, so that processes that start together never read half a verdict. */
function writeVerdict(file: string, report: SelfTestReport): void {
  try {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    const temporary = `${file}.${pid}.${Math.trunc(performance.now() * 1000)}`;
    writeFileSync(temporary, JSON.stringify({ ...report, time: Date.now() }), { mode: 0o600 });
    renameSync(temporary, file);
  } catch {
    // Only a cache: without it the next start tests again.
  }
}

interface ChildResult {
  readonly report: SelfTestReport;
  readonly timedOut: boolean;
}

function runChild(test: SelfTest, options: SelfTestOptions): Promise<ChildResult> {
  const { url, execArgv } = options.program ?? test.program;
  const timeoutMs = options.timeoutMs ?? TIMEOUT_MS;
  return new Promise((resolve) => {
    let output = "";
    let errors = "";
    let timedOut = false;
    const child = fork(fileURLToPath(url), [...test.arguments], { execArgv: [...execArgv], silent: true });
    const timer = setTimeout(() => {
      timedOut = true;
      child.kill("SIGKILL");
    }, timeoutMs);
    child.stdout?.on("data", (chunk: Buffer) => {
      output += chunk.toString();
    });
    child.stderr?.on("data", (chunk: Buffer) => {
      errors += chunk.toString();
    });
    child.on("error", (error) => {
      clearTimeout(timer);
      resolve({ report: { passed: false, detail: `the self-test did not start: ${error.message}` }, timedOut: true });
    });
    child.on("close", (code, signal) => {
      clearTimeout(timer);
      resolve({ report: judge(output, errors, code, signal, timedOut ? timeoutMs : undefined), timedOut });
    });
  });
}

/** A report counts only when the process also ended in peace: some crashes come at exit. */
function judge(
  output: string,
  errors: string,
  code: number | null,
  signal: string | null,
  timeoutMs: number | undefined,
): SelfTestReport {
  if (timeoutMs !== undefined) {
    return { passed: false, detail: `the self-test did not end within ${timeoutMs / 1000} s` };
  }
  if (code !== 0) {
    const lastLine = errors.trim().split("\n").at(-1) ?? "";
    const how = signal === null ? `exit code ${code}` : signal;
    return { passed: false, detail: `the self-test crashed (${how})${lastLine === "" ? "" : `: ${lastLine}`}` };
  }
  try {
    const report = JSON.parse(output) as Partial<SelfTestReport>;
    return { passed: report.passed === true, detail: String(report.detail) };
  } catch {
    return { passed: false, detail: "the self-test ended without a report" };
  }
}
