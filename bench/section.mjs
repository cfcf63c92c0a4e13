// What every benchmark's page needs: medians, the machine in one line, and where sections lie.

import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import os from "node:os";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

export const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const results = join(root, "bench", "results");

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** A number with so many places, or a dash where there is none. */
export const fixed = (value, digits = 0) => (typeof value === "number" ? value.toFixed(digits) : "–");

/** "low–high". */
export const range = (values, digits = 0) =>
  `${fixed(Math.min(...values), digits)}–${fixed(Math.max(...values), digits)}`;

export const gigabytes = (bytes) => (bytes ? (bytes / 1e9).toFixed(2) : "–");

/** The line that names the machine: processor, cores that this process may use, memory, operating system. */
export function machine() {
  const model = os.cpus()[0]?.model.trim() ?? "unknown processor";
  const memory = Math.round(os.totalmem() / 2 ** 30);
  return `${model}, ${os.availableParallelism()} cores, ${memory} GiB, ${os.type()} ${os.release()}`;
}

/** Processes that want a processor, on average over the last minute. */
export const load = () => os.loadavg()[0].toFixed(2);

export const today = () => new Date().toISOString().slice(0, 10);

/** Bytes that processes may still take without others being thrown out. */
export function availableBytes() {
  if (process.platform !== "linux") return os.freemem();
  const kilobytes = /MemAvailable:\s+(\d+)/.exec(readFileSync("/proc/meminfo", "utf8"))?.[1];
  return kilobytes === undefined ? os.freemem() : 1024 * Number(kilobytes);
}

/** A command's words as a shell wants them; paths inside the project become relative to it. */
export function shellCommand(words, env = {}) {
  const inside = (word) => (word.startsWith(`${root}/`) ? relative(root, word) : word);
  const quoted = (word) => (/^[\w./:=,-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`);
  const variables = Object.entries(env).map(([name, value]) => `${name}=${value}`);
  return [...variables, ...words.map(inside).map(quoted)].join(" ");
}

/** Writes a section of bench/RESULTS.md, or a file that belongs to one. */
export function writeResult(name, text) {
  mkdirSync(results, { recursive: true });
  writeFileSync(join(results, name), text);
}

const readText = (path) => (existsSync(path) ? readFileSync(path, "utf8") : undefined);

/** What an earlier run left under that name; undefined if nothing. */
export function readResult(name) {
  return readText(join(results, name));
}

/** The records of a file, one JSON object a line; nothing if there is none. */
export function readRecordsAt(path) {
  const lines = readText(path)?.trim().split("\n") ?? [];
  return lines.filter(Boolean).map((line) => JSON.parse(line));
}

/** What an earlier run measured. */
export const readRecords = (name) => readRecordsAt(join(results, name));

export function writeRecords(name, records) {
  writeResult(name, records.map((record) => `${JSON.stringify(record)}\n`).join(""));
}

/** The line of a program's errors that says most. */
export function reasonIn(text) {
  const lines = text.split("\n").map((line) => line.trim());
  const telling = lines.filter((line) => /error|must|cannot|unknown|not found|not there|refus|needs/i.test(line));
  return (telling.at(-1) ?? lines.findLast(Boolean) ?? "no reason given").slice(0, 300);
}
