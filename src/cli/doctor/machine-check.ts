/** @file Checks of the machine: Node, system, processor, memory, folders. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { arch, availableParallelism, cpus, freemem, platform, release, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { formatBytes } from "../progress/index.ts";
import { attempt, type Check } from "./check.ts";

/** Oldest Node that the package supports. */
const leastNode = [20, 19] as const;

export function nodeCheck(version = process.versions.node): Check {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const isOld = major < leastNode[0] || (major === leastNode[0] && minor < leastNode[1]);
  if (!isOld) return { name: "Node", status: "ok", detail: version };
  return { name: "Node", status: "fail", detail: version, fix: `Install Node ${leastNode.join(".")} or newer.` };
}

export function systemCheck(): Check {
  return { name: "System", status: "ok", detail: `${platform()} ${arch()}, ${release()}` };
}

const features = ["avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "asimd", "sve", "bf16"];

/** Vector instructions that the system tells of; undefined where it tells nothing. */
function vectorFeatures(): string[] | undefined {
  if (platform() !== "linux") return undefined;
  try {
    const line = /^(?:flags|Features)\s*:(.*)$/m.exec(readFileSync("/proc/cpuinfo", "utf8"))?.[1];
    const words = new Set(line?.trim().split(/\s+/));
    return line === undefined ? undefined : features.filter((feature) => words.has(feature));
  } catch {
    return undefined;
  }
}

export function processorCheck(): Check {
  const model = cpus()[0]?.model.trim() ?? "unknown";
  const found = vectorFeatures();
  const detail = `${model}, ${availableParallelism()} processors${found === undefined ? "" : `; ${found.join(" ")}`}`;
  if (arch() === "x64" && found !== undefined && !found.includes("avx2")) {
    const fix = "Training will be several times slower than with AVX2; use a newer machine.";
    return { name: "Processor", status: "warn", detail, fix };
  }
  return { name: "Processor", status: "ok", detail };
}

export function memoryCheck(): Check {
  // A container's limit, where there is one below the machine's memory.
  const limit = process.constrainedMemory() ?? 0;
  const isLimited = limit > 0 && limit < totalmem();
  const total = isLimited ? limit : totalmem();
  const detail = `${formatBytes(total)}${isLimited ? " (limit of this process)" : ""}, ${formatBytes(freemem())} free`;
  if (total >= 4e9) return { name: "Memory", status: "ok", detail };
  return { name: "Memory", status: "warn", detail, fix: "BERT-base trains in about 6 GB; smaller sizes fit here." };
}

export function folderCheck(name: string, folder: string, fix: string): Promise<Check> {
  return attempt(name, fix, () => {
    const made = mkdtempSync(join(folder, ".firth-doctor-"));
    try {
      writeFileSync(join(made, "file"), "x");
    } finally {
      rmSync(made, { recursive: true, force: true });
    }
    return `${folder} can be written`;
  });
}

/** All of them. */
export async function machineChecks(): Promise<Check[]> {
  return [
    nodeCheck(),
    systemCheck(),
    processorCheck(),
    memoryCheck(),
    await folderCheck(
      "Cache",
      tmpdir(),
      "Set TMPDIR to a folder that may be written; each start tests the engine anew.",
    ),
    await folderCheck("Working folder", process.cwd(), "Give --out or outputDir in a folder that may be written."),
  ];
}
