/** @file Runs lowered modules through JAX in one process of Python, for tests that ask for it. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { env } from "node:process";
import { fileURLToPath } from "node:url";
import type { LoweredModule } from "../../src/backend/xla/lower/module.ts";
import { dtypeBytes, type HostTensor, viewHostData } from "../../src/ir/dtype.ts";
import { sizeOf } from "../../src/ir/shape.ts";

/** A Python that has jax, or undefined: then there is no oracle. */
export const oraclePython = env.FIRTH_PEER_PYTHON;

const script = fileURLToPath(new URL("stablehlo_oracle.py", import.meta.url));

export interface OracleProgram {
  readonly module: LoweredModule;
  readonly inputs: readonly HostTensor[];
  /** Asks for what the compiler made of it. */
  readonly wantsCompiled?: boolean;
}

export interface OracleResult {
  readonly outputs: readonly HostTensor[];
  readonly compiled?: string | undefined;
}

interface Report {
  readonly error?: string;
  readonly outputs?: readonly { readonly offset: number; readonly bytes: number }[];
  readonly compiled?: string;
}

const bytesOf = ({ data }: HostTensor): Uint8Array => new Uint8Array(data.buffer, data.byteOffset, data.byteLength);

function write(folder: string, programs: readonly OracleProgram[]): void {
  const chunks: Uint8Array[] = [];
  let offset = 0;
  const facts = programs.map(({ module, inputs, wantsCompiled = false }, index) => {
    writeFileSync(join(folder, `${index}.mlir`), module.text);
    const given = inputs.map((tensor, i) => {
      const fact = { dtype: tensor.dtype, shape: tensor.shape, sharding: module.inputShardings[i], offset };
      const bytes = bytesOf(tensor);
      const padding = new Uint8Array((8 - (bytes.length % 8)) % 8);
      chunks.push(bytes, padding);
      offset += bytes.length + padding.length;
      return fact;
    });
    const outputs = module.outputs.map(({ shape }, i) => ({ shape, sharding: module.outputShardings[i] }));
    const { name, partitions } = module;
    return { name, text: `${index}.mlir`, partitions, inputs: given, outputs, wantsCompiled };
  });
  writeFileSync(join(folder, "programs.json"), JSON.stringify(facts));
  writeFileSync(join(folder, "inputs.bin"), Buffer.concat(chunks));
}

function read(folder: string, programs: readonly OracleProgram[]): (OracleResult | Error)[] {
  const reports = JSON.parse(readFileSync(join(folder, "results.json"), "utf8")) as Report[];
  const data = readFileSync(join(folder, "results.bin"));
  return reports.map(({ error, outputs = [], compiled }, index) => {
    if (error !== undefined) return new Error(error);
    const types = programs[index]!.module.outputs;
    const tensors = types.map(({ dtype, shape }, i): HostTensor => {
      const { offset, bytes } = outputs[i]!;
      if (bytes !== sizeOf(shape) * dtypeBytes[dtype]) throw new Error(`output ${i} has ${bytes} bytes`);
      // A copy, since views need aligned places.
      const own = new Uint8Array(data.subarray(offset, offset + bytes));
      return { dtype, shape, data: viewHostData(dtype, own.buffer, 0, sizeOf(shape)) };
    });
    return { outputs: tensors, compiled };
  });
}

/** Results of every program, or the words of the compiler that refused it. */
export function runOracle(programs: readonly OracleProgram[]): (OracleResult | Error)[] {
  if (oraclePython === undefined) throw new Error("FIRTH_PEER_PYTHON names no Python with jax");
  const folder = mkdtempSync(join(tmpdir(), "firth-stablehlo-"));
  try {
    write(folder, programs);
    const { status, stderr } = spawnSync(oraclePython, [script, folder], { encoding: "utf8" });
    if (status !== 0) throw new Error(`the oracle ended with ${status}: ${stderr.slice(-4000)}`);
    return read(folder, programs);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
