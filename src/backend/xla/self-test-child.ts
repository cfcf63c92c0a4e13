/**
 * Program of the XLA self-test: opens a library, runs products in f32 and bf16, and reports on stdout.
 *
 * Arguments: the library as JSON; `timed` where rates are wanted, too.
 */
import { writeSync } from "node:fs";
import { basename } from "node:path";
import { argv } from "node:process";
import { bfloat16FromFloat32, float32FromBfloat16 } from "../../base/half-float.ts";
import type { DType, HostData } from "../../ir/dtype.ts";
import type { SelfTestReport } from "../self-test.ts";
import type { DeviceArray, XlaExecutor, XlaProgram } from "./executor.ts";
import type { CreateOptions } from "./pjrt/named-value.ts";
import { openUntested } from "./pjrt/open-pjrt.ts";
import type { TestedLibrary } from "./self-test.ts";
import { openTensorFlow } from "./tensorflow/open-tensorflow.ts";

const STDOUT = 1;
const SIZE = 48;
const TIMED_SIZE = 1024;
const TIMED_RUNS = 5;

type Computed = Extract<DType, "f32" | "bf16">;

/** x·y + z, which takes z's memory. */
function productProgram(dtype: Computed, size: number): XlaProgram {
  const shape = [size, size];
  const text = `tensor<${size}x${size}x${dtype}>`;
  return {
    name: `product_${dtype}_${size}`,
    text: `module @product {
  func.func public @main(%x: ${text}, %y: ${text}, %z: ${text} {tf.aliasing_output = 0 : i32}) -> ${text} {
    %p = stablehlo.dot_general %x, %y, contracting_dims = [1] x [0], precision = [HIGHEST, HIGHEST] : (${text}, ${text}) -> ${text}
    %s = stablehlo.add %p, %z : ${text}
    return %s : ${text}
  }
}
`,
    inputs: [
      { dtype, shape },
      { dtype, shape },
      { dtype, shape },
    ],
    outputs: [{ dtype, shape }],
    donated: [2],
    partitions: 1,
    inputShardings: [],
    outputShardings: [],
  };
}

/** Small whole numbers: sums of their products are exact in f32, and in bf16 while they stay below 256. */
function wholeNumbers(count: number, modulus: number): Float32Array {
  return new Float32Array(count).map((_, i) => (i % modulus) - (modulus >> 1));
}

const encoded = (dtype: Computed, data: Float32Array): HostData => (dtype === "f32" ? data : bfloat16FromFloat32(data));
const decoded = (dtype: Computed, data: HostData): Float32Array =>
  dtype === "f32" ? (data as Float32Array) : float32FromBfloat16(data as Uint16Array);

async function checkProduct(executor: XlaExecutor, dtype: Computed): Promise<void> {
  const program = productProgram(dtype, SIZE);
  const executable = await executor.compile(program);
  const [x, y, z] = [3, 5, 7].map((modulus) => wholeNumbers(SIZE * SIZE, modulus)) as [
    Float32Array,
    Float32Array,
    Float32Array,
  ];
  const arrays = [x, y, z].map((data) => executor.upload(encoded(dtype, data), program.inputs[0]!));
  const [result] = await executable.run(arrays);
  const found = decoded(dtype, await result!.read());
  for (let row = 0; row < SIZE; row++) {
    for (let column = 0; column < SIZE; column++) {
      let sum = z[row * SIZE + column]!;
      for (let k = 0; k < SIZE; k++) sum += x[row * SIZE + k]! * y[k * SIZE + column]!;
      const value = found[row * SIZE + column];
      if (value !== sum) throw new Error(`a product in ${dtype} is ${value} instead of ${sum} at ${row},${column}`);
    }
  }
  for (const array of [...arrays, result!]) array.dispose();
  await executable.dispose();
}

/** Rate of a product in 10⁹ operations a second. */
async function rate(executor: XlaExecutor, dtype: Computed): Promise<number> {
  const program = productProgram(dtype, TIMED_SIZE);
  const executable = await executor.compile(program);
  const data = encoded(dtype, wholeNumbers(TIMED_SIZE * TIMED_SIZE, 3));
  const [x, y, z] = [1, 2, 3].map(() => executor.upload(data, program.inputs[0]!)) as DeviceArray[];
  let sum = z!;
  let best = Number.POSITIVE_INFINITY;
  for (let run = 0; run <= TIMED_RUNS; run++) {
    const started = performance.now();
    const [next] = await executable.run([x!, y!, sum]);
    sum = next!;
    await sum.read();
    if (run > 0) best = Math.min(best, performance.now() - started);
  }
  return (2 * TIMED_SIZE ** 3) / best / 1e6;
}

/** A GPU's client takes most of the memory at once unless it is told otherwise; others may be computing beside this test. */
function modestOptions({ path, platform }: TestedLibrary): CreateOptions {
  const isGpu = platform === undefined ? /cuda|rocm/.test(basename(path)) : /^(cuda|rocm)$/.test(platform);
  return isGpu ? { preallocate: false } : {};
}

async function selfTest(library: TestedLibrary, isTimed: boolean): Promise<string> {
  const { kind, path, platform } = library;
  const named = platform === undefined ? {} : { platform };
  const executor = await (kind === "tensorflow"
    ? openTensorFlow({ libraryPath: path })
    : openUntested({ plugin: path, ...named, options: modestOptions(library) }));
  const { description } = executor.facts;
  const computed = (["f32", "bf16"] as const).filter((dtype) => executor.computeDtypes.includes(dtype));
  const rates: string[] = [];
  for (const dtype of computed) {
    await checkProduct(executor, dtype);
    if (isTimed) rates.push(`${(await rate(executor, dtype)).toFixed(0)} GFLOPS in ${dtype}`);
  }
  await executor.dispose();
  const products = isTimed ? `products of ${TIMED_SIZE} rows read back: ${rates.join(", ")}` : computed.join(", ");
  return `${description}; ${products}`;
}

const [library, timed] = argv.slice(2);
const report: SelfTestReport = await selfTest(JSON.parse(library!) as TestedLibrary, timed === "timed").then(
  (detail) => ({ passed: true, detail }),
  (error: unknown) => ({ passed: false, detail: error instanceof Error ? error.message : String(error) }),
);
writeSync(STDOUT, JSON.stringify(report));
