/** @file Runs a lowered module over several processes, each a host with one device of JAX's CPU client, for tests that ask for it. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Sharding } from "../../src/backend/backend.ts";
import type { LoweredModule } from "../../src/backend/xla/lower/module.ts";
import { joinShards, shardOf, shardShape } from "../../src/backend/xla/pjrt/shard.ts";
import { dtypeBytes, type HostData, type HostTensor, type TensorType, viewHostData } from "../../src/ir/dtype.ts";
import { sizeOf } from "../../src/ir/shape.ts";
import { oraclePython } from "./stablehlo-oracle.ts";

const script = fileURLToPath(new URL("stablehlo_host.py", import.meta.url));
const LIMIT_MS = 240_000;

export interface HostsRun {
  readonly module: LoweredModule;
  /** Inputs and the outputs that they are from the second step on, by their places. */
  readonly carried: readonly (readonly [input: number, output: number])[];
  /** What every step uploads, by the places of inputs; the first all. */
  readonly steps: readonly ReadonlyMap<number, HostTensor>[];
}

export interface HostsResult {
  /** Whole tensors of every step, put together of what the hosts read. */
  readonly steps: readonly HostTensor[][];
  /** Outputs that hosts have a copy of each, and whose copies differ. */
  readonly disagreements: readonly string[];
  /** The client's ids of the hosts' devices. */
  readonly ids: readonly number[];
  /** Bytes that each host was given. */
  readonly uploaded: readonly number[];
}

interface HostReport {
  readonly process: number;
  readonly processes: number;
  readonly ids: readonly number[];
  readonly own: number;
}

const bytesOf = (data: HostData): Uint8Array => new Uint8Array(data.buffer, data.byteOffset, data.byteLength);

/** A host's part, or the copy that each has. */
const partOf = ({ data, ...type }: HostTensor, sharding: Sharding, hosts: number, index: number): HostData =>
  sharding === "replicated" ? data : shardOf(data, type, sharding.axis, hosts, index);

function writeInputs(folder: string, { module, carried, steps }: HostsRun): number[] {
  const hosts = module.partitions;
  const offsets: [number, number][][] = steps.map(() => []);
  const sizes = Array.from({ length: hosts }, (_, index) => {
    const chunks: Uint8Array[] = [];
    let offset = 0;
    steps.forEach((given, step) => {
      for (const [at, tensor] of given) {
        const bytes = bytesOf(partOf(tensor, module.inputShardings[at]!, hosts, index));
        const padding = new Uint8Array((8 - (bytes.length % 8)) % 8);
        chunks.push(bytes, padding);
        // Parts are of one size, so they begin at one place in every host's file.
        if (index === 0) offsets[step]!.push([at, offset]);
        offset += bytes.length + padding.length;
      }
    });
    writeFileSync(join(folder, `inputs-${index}.bin`), Buffer.concat(chunks));
    return offset;
  });
  const placed = (types: readonly TensorType[], shardings: readonly Sharding[]) =>
    types.map(({ dtype, shape }, i) => ({ dtype, shape, sharding: shardings[i] }));
  const inputs = placed(module.inputs, module.inputShardings);
  const outputs = placed(module.outputs, module.outputShardings);
  writeFileSync(join(folder, "step.mlir"), module.text);
  const facts = { text: "step.mlir", hosts, inputs, outputs, carried, steps: offsets };
  writeFileSync(join(folder, "hosts.json"), JSON.stringify(facts));
  return sizes;
}

function readResults(folder: string, { module, steps }: HostsRun): Omit<HostsResult, "uploaded"> {
  const hosts = module.partitions;
  const files = Array.from({ length: hosts }, (_, index) => readFileSync(join(folder, `results-${index}.bin`)));
  const disagreements: string[] = [];
  let offset = 0;
  const results = steps.map((_, step) =>
    module.outputs.map(({ dtype, shape }, i): HostTensor => {
      const sharding = module.outputShardings[i]!;
      const size = sizeOf(shardShape({ dtype, shape }, sharding, hosts));
      const length = size * dtypeBytes[dtype];
      const pieces = files.map((file) => file.subarray(offset, offset + length));
      offset += length;
      // Copies, since views need aligned places.
      const parts = pieces.map((piece) => viewHostData(dtype, new Uint8Array(piece).buffer, 0, size));
      if (sharding !== "replicated") return { dtype, shape, data: joinShards(parts, dtype, shape, sharding.axis) };
      if (pieces.some((piece) => !piece.equals(pieces[0]!))) {
        disagreements.push(`step ${step}, ${module.outputNames[i]}`);
      }
      return { dtype, shape, data: parts[0]! };
    }),
  );
  if (files.some(({ length }) => length !== offset)) throw new Error(`hosts must give ${offset} bytes each`);
  const reports = files.map(
    (_, index) => JSON.parse(readFileSync(join(folder, `results-${index}.json`), "utf8")) as HostReport,
  );
  for (const [index, { process, processes, own, ids }] of reports.entries()) {
    const isItself = process === index && processes === hosts && own === ids[index];
    if (!isItself) throw new Error(`host ${index} took itself for another: ${JSON.stringify(reports[index])}`);
  }
  return { steps: results, disagreements, ids: reports[0]!.ids };
}

/** A port of this machine that nobody listens at now. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("no port of 127.0.0.1 is free");
  return address.port;
}

/** Ends well when all do; otherwise what the first one to fail said. */
function ended(children: readonly ChildProcess[]): Promise<void> {
  return new Promise((resolve, reject) => {
    let left = children.length;
    const limit = setTimeout(() => reject(new Error(`hosts took more than ${LIMIT_MS} ms`)), LIMIT_MS);
    const settle = (end: () => void): void => {
      clearTimeout(limit);
      end();
    };
    children.forEach((child, index) => {
      let words = "";
      child.stderr?.setEncoding("utf8").on("data", (text: string) => {
        words = (words + text).slice(-4000);
      });
      child.once("error", (error) => settle(() => reject(error)));
      child.once("close", (code, signal) => {
        if (code !== 0) settle(() => reject(new Error(`host ${index} ended with ${code ?? signal}: ${words}`)));
        else if (--left === 0) settle(resolve);
      });
    });
  });
}

/** Runs the steps on as many processes as the module has partitions; none is left when it returns. */
export async function runHosts(run: HostsRun): Promise<HostsResult> {
  if (oraclePython === undefined) throw new Error("FIRTH_PEER_PYTHON names no Python with jax");
  const python = oraclePython;
  const folder = mkdtempSync(join(tmpdir(), "firth-hosts-"));
  const children: ChildProcess[] = [];
  try {
    const uploaded = writeInputs(folder, run);
    const port = String(await freePort());
    for (let index = 0; index < run.module.partitions; index++) {
      children.push(spawn(python, [script, folder, String(index), port], { stdio: ["ignore", "ignore", "pipe"] }));
    }
    await ended(children);
    return { ...readResults(folder, run), uploaded };
  } finally {
    for (const child of children) child.kill("SIGKILL");
    rmSync(folder, { recursive: true });
  }
}
