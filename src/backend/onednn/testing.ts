/** @file Programs of a few steps over small tensors, for tests of the oneDNN engine. */
import { BackendError } from "../../base/errors.ts";
import { createMemory } from "../wasm/index.ts";
import {
  type DnnDType,
  denseView,
  dnnDTypeBytes,
  type Operand,
  type Program,
  type Step,
  type View,
} from "./program.ts";
import { type CompiledProgram, EngineThread, type SharedRegion } from "./thread.ts";

/** A tensor in host memory with its view: elements lie where the strides say. */
export interface TestTensor {
  readonly view: View;
  /** Elements in row-major order of the dims. */
  readonly values: readonly number[];
}

/** The nearest bf16 to a number, ties to even. */
export function roundBf16(value: number): number {
  return bf16Value(bf16Bits(value));
}

const scratch = new Float32Array(1);
const scratchBits = new Uint32Array(scratch.buffer);

function bf16Bits(value: number): number {
  scratch[0] = value;
  const bits = scratchBits[0]!;
  return ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16) & 0xffff;
}

function bf16Value(bits: number): number {
  scratchBits[0] = bits << 16;
  return scratch[0]!;
}

/** Deterministic numbers in (-1, 1) that the dtype holds exactly. */
export function testValues(dtype: DnnDType, count: number, seed: number): number[] {
  return Array.from({ length: count }, (_, i) => {
    const raw = Math.sin((i + 1) * 12.9898 + seed * 78.233) * 43758.5453;
    const value = 2 * (raw - Math.floor(raw)) - 1;
    if (dtype === "bf16") return roundBf16(value);
    return dtype === "f32" ? Math.fround(value) : Math.round(value * 100);
  });
}

export function testTensor(view: View, seed: number): TestTensor {
  return {
    view,
    values: testValues(
      view.dtype,
      view.dims.reduce((a, b) => a * b, 1),
      seed,
    ),
  };
}

/** Calls with every index of the dims in row-major order, and the element's place by strides. */
export function eachIndex(
  { dims, strides }: View,
  call: (index: readonly number[], place: number, i: number) => void,
): void {
  const index = dims.map(() => 0);
  const count = dims.reduce((a, b) => a * b, 1);
  for (let i = 0; i < count; i++) {
    call(
      index,
      index.reduce((sum, at, axis) => sum + at * strides[axis]!, 0),
      i,
    );
    for (let axis = dims.length - 1; axis >= 0; axis--) {
      index[axis]!++;
      if (index[axis]! < dims[axis]!) break;
      index[axis] = 0;
    }
  }
}

/** Elements from the first to the end of the last. */
export function extent({ dims, strides }: View): number {
  return dims.reduce((sum, size, axis) => sum + (size - 1) * strides[axis]!, 1);
}

type Elements = Float32Array | Uint16Array | Int32Array | Int8Array | Uint8Array;

function elements(dtype: DnnDType, buffer: ArrayBufferLike, byteOffset: number, length: number): Elements {
  switch (dtype) {
    case "f32":
      return new Float32Array(buffer, byteOffset, length);
    case "bf16":
      return new Uint16Array(buffer, byteOffset, length);
    case "s32":
      return new Int32Array(buffer, byteOffset, length);
    case "s8":
      return new Int8Array(buffer, byteOffset, length);
    case "u8":
      return new Uint8Array(buffer, byteOffset, length);
  }
}

const graphDType = { f32: "f32", bf16: "bf16", s32: "i32", s8: "bool", u8: "bool" } as const;

/** A memory of test tensors, each 64-byte aligned with a guard of 64 bytes behind it. */
export class TestMemory {
  private readonly memory = createMemory(16 * 1024 * 1024);
  private used = 64;
  private readonly regions: SharedRegion[] = [];
  private readonly views: View[] = [];

  /** Puts a tensor down; the operand refers to it as the next graph input. */
  input({ view, values }: TestTensor): Operand {
    const bytes = extent(view) * dnnDTypeBytes[view.dtype];
    const byteOffset = this.used;
    this.used = Math.ceil((byteOffset + bytes) / 64) * 64 + 64;
    const { buffer } = this.memory;
    const data = elements(view.dtype, buffer, byteOffset, extent(view));
    // What lies between the elements of a strided view must not be read as one of them.
    data.fill(view.dtype === "f32" ? 1e6 : view.dtype === "bf16" ? bf16Bits(1e6) : 77);
    eachIndex(view, (_, place, i) => {
      data[place] = view.dtype === "bf16" ? bf16Bits(values[i]!) : values[i]!;
    });
    this.regions.push({ buffer, byteOffset, byteLength: bytes });
    this.views.push(view);
    return { view, place: { kind: "input", index: this.regions.length - 1, offset: 0 } };
  }

  /** The values of an operand of this memory. */
  read({ view, place }: Operand): number[] {
    if (place.kind !== "input") throw new Error("not an operand of this memory");
    const { buffer, byteOffset } = this.regions[place.index]!;
    const data = elements(view.dtype, buffer, byteOffset, extent(view));
    const values: number[] = [];
    eachIndex(view, (_, at) => {
      const raw = data[at]!;
      values.push(view.dtype === "bf16" ? bf16Value(raw) : raw);
    });
    return values;
  }

  program(steps: readonly Step[]): Program {
    const inputs = this.views.map((view) => ({ dtype: graphDType[view.dtype], shape: [extent(view)] }));
    return { name: "test", steps, arenaBytes: 0, constants: [], inputs, outputs: [] };
  }

  /** Where the input of an index lies. */
  regionOf(index: number): SharedRegion {
    return this.regions[index]!;
  }

  async run(engine: EngineThread, compiled: CompiledProgram): Promise<void> {
    await engine.run(compiled, this.regions, []);
  }

  /** Compiles, runs and releases; gives the implementations. */
  async runSteps(engine: EngineThread, steps: readonly Step[]): Promise<readonly string[]> {
    const compiled = await engine.compile(this.program(steps));
    await this.run(engine, compiled);
    await engine.release(compiled);
    return compiled.implementations;
  }
}

/** A zeroed target. */
export function zeros(view: View): TestTensor {
  return { view, values: new Array<number>(view.dims.reduce((a, b) => a * b, 1)).fill(0) };
}

export function dense(dtype: DnnDType, ...dims: number[]): View {
  return denseView(dtype, dims);
}

/** A view whose rows are wider than their elements. */
export function padded(dtype: DnnDType, padding: number, ...dims: number[]): View {
  const { strides } = denseView(dtype, [...dims.slice(0, -1), dims.at(-1)! + padding]);
  return { dtype, dims, strides };
}

/** The last two dims swapped in memory. */
export function transposed(dtype: DnnDType, ...dims: number[]): View {
  const order = [...dims.slice(0, -2), dims.at(-1)!, dims.at(-2)!];
  const { strides } = denseView(dtype, order);
  return { dtype, dims, strides: [...strides.slice(0, -2), strides.at(-1)!, strides.at(-2)!] };
}

/** The library of major 2 (searched) and of major 3 (from FIRTH_TEST_ONEDNN3), opened; or why a test must skip. */
export async function openCases(
  libraryPath3: string | undefined,
): Promise<readonly { readonly name: string; readonly engine: EngineThread | undefined; readonly missing: string }[]> {
  const open = async (name: string, path: string | undefined) => {
    try {
      const options = { threads: 2, ...(path === undefined ? {} : { libraryPath: path }) };
      return { name, engine: await EngineThread.open(options), missing: "" };
    } catch (error) {
      // Only what a machine may lack: anything else is a failure of ours.
      if (!(error instanceof BackendError) || !["ONEDNN_LIBRARY_MISSING", "ONEDNN_CPU"].includes(error.code))
        throw error;
      return { name, engine: undefined, missing: error.message };
    }
  };
  return [
    await open("the installed library", undefined),
    libraryPath3 === undefined
      ? { name: "oneDNN 3", engine: undefined, missing: "FIRTH_TEST_ONEDNN3 is not set" }
      : await open("oneDNN 3", libraryPath3),
  ];
}

/** The largest error, relative to the element or to `scale`, must be within what the dtype can hold. */
export function worstError(actual: readonly number[], expected: readonly number[], scale: number): number {
  if (actual.length !== expected.length) return Number.POSITIVE_INFINITY;
  return actual.reduce((worst, value, i) => {
    const error = Math.abs(value - expected[i]!) / Math.max(scale, Math.abs(expected[i]!));
    return Number.isNaN(error) ? Number.POSITIVE_INFINITY : Math.max(worst, error);
  }, 0);
}
