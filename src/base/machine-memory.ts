/** @file How much memory the process has and the machine could still give. */
import { readFileSync } from "node:fs";
import { freemem } from "node:os";
import { memoryUsage } from "node:process";

/** Memory of the process that lies in the machine's, in bytes. */
export function residentBytes(): number {
  return memoryUsage.rss();
}

function fileText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

/** Bytes that the system would give without swapping: on Linux this counts caches, and heeds a container's limit. */
export function availableBytes(): number {
  const kilobytes = /^MemAvailable:\s+(\d+) kB$/m.exec(fileText("/proc/meminfo"))?.[1];
  const ofMachine = kilobytes === undefined ? freemem() : Number(kilobytes) * 1024;
  const limit = Number.parseInt(fileText("/sys/fs/cgroup/memory.max"), 10);
  const used = Number.parseInt(fileText("/sys/fs/cgroup/memory.current"), 10);
  return Number.isNaN(limit) || Number.isNaN(used) ? ofMachine : Math.min(ofMachine, limit - used);
}
