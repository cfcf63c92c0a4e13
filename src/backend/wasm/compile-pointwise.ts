/** @file Compiles graphs of scalars to WebAssembly SIMD loops over contiguous memory. */
import { BackendError } from "../../base/errors.ts";
import type { DType } from "../../ir/dtype.ts";
import type { Graph, Node, Value } from "../../ir/graph.ts";
import { formatType } from "../../ir/shape.ts";
import { FunctionWriter, type WasmType, writeModule } from "./module-writer.ts";
import { emitNode } from "./pointwise-op.ts";
import { evaluateUniform, type Scalar, uniformNodes } from "./uniform.ts";

/** Where a graph input comes from: an element of memory, a scalar of the call, or the element's own index (u32). */
export type PointwiseInput =
  | { readonly kind: "memory"; readonly pointer: number }
  | { readonly kind: "scalar"; readonly name: string }
  | { readonly kind: "index" };

/** Where a graph output goes: to memory (bool as one byte, else four), or into a sum in f64. */
export type PointwiseOutput =
  | { readonly kind: "memory"; readonly pointer: number }
  | { readonly kind: "sum"; readonly name: string };

export interface PointwiseProgram {
  readonly graph: Graph;
  readonly inputs: readonly PointwiseInput[];
  readonly outputs: readonly PointwiseOutput[];
}

/**
 * A compiled loop. Its function takes (count, index of the first element, pointers…, uniforms…), may write up to
 * 15 bytes past the last element of an output (so regions must end on 16 bytes), and leaves its sums in globals.
 */
export interface Kernel {
  readonly module: WebAssembly.Module;
  readonly numPointers: number;
  readonly sums: readonly string[];
  /** Names of run-time scalars. */
  readonly scalars: readonly string[];
  /** The uniform arguments for given scalars, evaluated in doubles. */
  uniforms(scalars: Readonly<Record<string, number>>): number[];
}

/** Vectors of four elements handled by one pass of the main loop. */
const unroll = 4;

export type LaneType = "f32" | "i32" | "u32" | "bool";

export function laneType(dtype: DType): LaneType | undefined {
  return dtype === "f32" || dtype === "i32" || dtype === "u32" || dtype === "bool" ? dtype : undefined;
}

function requireScalars(graph: Graph): void {
  for (const value of [...graph.inputs.map((x) => x.value), ...graph.nodes.flatMap((node) => node.outputs)]) {
    if (value.shape.length > 0) {
      throw new BackendError(`values must be scalars (shape []); "${graph.name}" holds ${formatType(value)}.`, {
        code: "POINTWISE_NOT_SCALAR",
        path: "pointwise",
      });
    }
  }
}

function requireLane(graph: Graph, value: Value): void {
  if (laneType(value.dtype) !== undefined) return;
  throw new BackendError(
    `"${graph.name}" computes element by element in ${value.dtype}. Use f32, i32, u32 or bool; f64 is for scalars only.`,
    { code: "POINTWISE_DTYPE", path: "pointwise" },
  );
}

/** What the emitter knows of one graph. */
interface Plan {
  readonly program: PointwiseProgram;
  readonly uniform: readonly Node[];
  readonly varying: readonly Node[];
  /** Uniform values that the loop uses, in the order of the kernel's last parameters. */
  readonly arguments: readonly Value[];
  /** Uniform values known now, for instructions with immediate operands. */
  readonly constants: ReadonlyMap<Value, Scalar>;
  readonly numPointers: number;
  readonly sums: readonly string[];
}

function plan(program: PointwiseProgram): Plan {
  const { graph, inputs, outputs } = program;
  requireScalars(graph);
  const perElement = new Set<Value>();
  graph.inputs.forEach(({ value }, i) => {
    if (inputs[i]!.kind !== "scalar") perElement.add(value);
  });
  const uniform = uniformNodes(graph, perElement);
  const known = new Set<Value>(uniform.flatMap((node) => node.outputs));
  graph.inputs.forEach(({ value }) => {
    if (!perElement.has(value)) known.add(value);
  });
  const varying = graph.nodes.filter((node) => !known.has(node.outputs[0]!));
  const used = new Set<Value>([...varying.flatMap((node) => node.inputs), ...graph.outputs.map((x) => x.value)]);
  const args = [...known].filter((value) => used.has(value));
  graph.inputs.forEach(({ name, value }, i) => {
    if (inputs[i]!.kind !== "memory" || value.dtype !== "bool") return;
    throw new BackendError(`input "${name}" of "${graph.name}" reads bool from memory. Read u32 and compare with 0.`, {
      code: "POINTWISE_DTYPE",
      path: "pointwise",
    });
  });
  for (const value of [...perElement, ...args, ...varying.flatMap((node) => node.outputs)]) requireLane(graph, value);
  const sums: string[] = [];
  outputs.forEach((output, i) => {
    if (output.kind !== "sum") return;
    sums.push(output.name);
    const { dtype } = graph.outputs[i]!.value;
    if (dtype !== "f32") {
      throw new BackendError(`sum "${output.name}" adds ${dtype} values. Convert to f32.`, {
        code: "POINTWISE_DTYPE",
        path: "pointwise",
      });
    }
  });
  const pointers = [...inputs, ...outputs].map((x) => (x.kind === "memory" ? x.pointer + 1 : 0));
  const constantNodes = uniformNodes(graph, new Set(graph.inputs.map(({ value }) => value)));
  const constants = evaluateUniform(graph, constantNodes, new Map());
  return { program, uniform, varying, arguments: args, constants, numPointers: Math.max(0, ...pointers), sums };
}

function emit({ program, varying, arguments: args, constants, numPointers, sums }: Plan): Uint8Array<ArrayBuffer> {
  const { graph, inputs, outputs } = program;
  const params: WasmType[] = ["i32", "i32", ...new Array<WasmType>(numPointers).fill("i32")];
  const firstUniform = params.length;
  for (const value of args) params.push(value.dtype === "f32" ? "f32" : "i32");
  const code = new FunctionWriter(params);
  const count = 0;
  const index = 1;
  const pointerOf = (pointer: number) => 2 + pointer;

  // Uniform arguments as vectors; a uniform bool becomes a lane mask.
  const scalarOf = new Map<Value, number>();
  const splats = new Map<Value, number>();
  args.forEach((value, i) => {
    const vector = code.local("v128");
    scalarOf.set(value, firstUniform + i);
    splats.set(value, vector);
    code.get(firstUniform + i).op(value.dtype === "f32" ? "f32x4.splat" : "i32x4.splat");
    if (value.dtype === "bool") code.op("i32x4.neg");
    code.set(vector);
  });
  const usesIndex = inputs.some((input) => input.kind === "index");
  const accumulators = sums.map(() => Array.from({ length: 2 * unroll }, () => code.local("v128")));
  const strides = new Array<number>(numPointers).fill(4);
  outputs.forEach((output, i) => {
    if (output.kind === "memory" && graph.outputs[i]!.value.dtype === "bool") strides[output.pointer] = 1;
  });

  /** The whole program for one vector, `lane` vectors after the pointers. */
  const body = (lane: number, mask: number | undefined) => {
    const locals = new Map(splats);
    graph.inputs.forEach(({ value }, i) => {
      const input = inputs[i]!;
      if (input.kind === "scalar") return;
      const local = code.local("v128");
      if (input.kind === "memory") code.get(pointerOf(input.pointer)).load(16 * lane);
      else {
        const first = 4 * lane;
        code
          .get(index)
          .op("i32x4.splat")
          .constLanes([first, first + 1, first + 2, first + 3])
          .op("i32x4.add");
      }
      code.set(local);
      locals.set(value, local);
    });
    for (const node of varying) {
      const local = code.local("v128");
      emitNode({ graph, code, locals, scalarOf, constants }, node);
      code.set(local);
      locals.set(node.outputs[0]!, local);
    }
    let sum = 0;
    outputs.forEach((output, i) => {
      const { value } = graph.outputs[i]!;
      const local = locals.get(value)!;
      if (output.kind === "memory") {
        code.get(pointerOf(output.pointer)).get(local);
        if (value.dtype !== "bool") code.store(16 * lane);
        else {
          code.constLanes([1, 1, 1, 1]).op("v128.and").constLanes([0, 0, 0, 0]).op("i16x8.narrow_i32x4_s");
          code
            .constLanes([0, 0, 0, 0])
            .op("i8x16.narrow_i16x8_u")
            .storeLane32(4 * lane);
        }
        return;
      }
      const term = code.local("v128");
      code.get(local);
      if (mask !== undefined) code.get(mask).op("v128.and");
      code.set(term);
      const [low, high] = accumulators[sum]!.slice(2 * lane) as [number, number];
      code.get(low).get(term).op("f64x2.promote_low_f32x4").op("f64x2.add").set(low);
      code.get(high).highHalf(term).op("f64x2.promote_low_f32x4").op("f64x2.add").set(high);
      sum++;
    });
  };
  const advance = (elements: number) => {
    strides.forEach((stride, i) => {
      code
        .get(pointerOf(i))
        .constI32(stride * elements)
        .op("i32.add")
        .set(pointerOf(i));
    });
    if (usesIndex) code.get(index).constI32(elements).op("i32.add").set(index);
  };

  code.loopWhileAtLeast(count, 4 * unroll, () => {
    for (let lane = 0; lane < unroll; lane++) body(lane, undefined);
    advance(4 * unroll);
  });
  code.loopWhileAtLeast(count, 4, () => {
    body(0, undefined);
    advance(4);
  });
  // The last one to three elements: whatever lies behind them is computed too, but kept out of the sums.
  code.ifNonZero(count, () => {
    const mask = code.local("v128");
    code.constLanes([0, 1, 2, 3]).get(count).op("i32x4.splat").op("i32x4.lt_u").set(mask);
    body(0, mask);
  });
  accumulators.forEach((parts, i) => {
    const [first, ...others] = parts as [number, ...number[]];
    for (const part of others) code.get(first).get(part).op("f64x2.add").set(first);
    code.get(first).extractF64(0).get(first).extractF64(1).op("f64.add").setGlobal(i);
  });
  return writeModule({ name: "run", params, globals: sums.map((_, i) => `sum${i}`), body: code });
}

/**
 * Compiles a pointwise program.
 * @throws {BackendError} POINTWISE_UNSUPPORTED naming a node that has no vector form and is not uniform
 */
export function compilePointwise(program: PointwiseProgram): Kernel {
  const planned = plan(program);
  const { graph, inputs } = program;
  const scalars = inputs.flatMap((input) => (input.kind === "scalar" ? [input.name] : []));
  // Once with any numbers, so that a scalar expression without a host form is refused now.
  evaluateUniform(graph, planned.uniform, new Map(graph.inputs.map(({ value }) => [value, 1])));
  return {
    module: new WebAssembly.Module(emit(planned)),
    numPointers: planned.numPointers,
    sums: planned.sums,
    scalars,
    uniforms: (given) => {
      const known = new Map<Value, Scalar>();
      graph.inputs.forEach(({ value }, i) => {
        const input = inputs[i]!;
        if (input.kind === "scalar") known.set(value, given[input.name]!);
      });
      evaluateUniform(graph, planned.uniform, known);
      return planned.arguments.map((value) => known.get(value)!);
    },
  };
}
