/** @file A scalar program mapped over whole parameters, as one graph: its parameters are inputs, its sums one output. */
import { BackendError } from "../../base/errors.ts";
import { GraphBuilder } from "../../ir/builder.ts";
import type { Graph, NamedValue, Node, Value } from "../../ir/graph.ts";
import { formatType, type Shape, sizeOf } from "../../ir/shape.ts";
import type { SweepProgram, SweepRange } from "../backend.ts";
import { evaluateUniform, uniformNodes } from "../wasm/uniform.ts";

function fail(code: string, message: string): never {
  throw new BackendError(message, { code, path: "sweep" });
}

/** Movements of a scalar leave it as it is. */
const movements: readonly string[] = ["reshape", "broadcast", "transpose"];
const pointwise: readonly string[] = [
  ...["neg", "abs", "sign", "floor", "exp", "log", "sqrt", "tanh", "erf", "logistic", "sin", "cos", "not", "convert"],
  ...["stopGradient", "barrier", "add", "sub", "mul", "div", "max", "min", "pow", "and", "or", "xor"],
  ...["shiftLeft", "shiftRight", "compare", "select"],
];

/** @throws {BackendError} POINTWISE_UNSUPPORTED, POINTWISE_NOT_SCALAR, SWEEP_PROGRAM, SWEEP_DTYPE */
function requirePointwise({ graph, inputs, outputs }: SweepProgram): void {
  if (inputs.length !== graph.inputs.length || outputs.length !== graph.outputs.length) {
    const counts = `${graph.inputs.length} inputs and ${graph.outputs.length} outputs`;
    fail("SWEEP_PROGRAM", `"${graph.name}" has ${counts}; the program names ${inputs.length} and ${outputs.length}.`);
  }
  for (const { op } of graph.nodes) {
    if (op !== "constant" && !movements.includes(op) && !pointwise.includes(op)) {
      fail("POINTWISE_UNSUPPORTED", `${op} is not an elementwise operation in "${graph.name}".`);
    }
  }
  const values = [...graph.inputs.map(({ value }) => value), ...graph.nodes.flatMap((node) => node.outputs)];
  const wide = values.find(({ shape }) => shape.length > 0);
  if (wide !== undefined) {
    fail("POINTWISE_NOT_SCALAR", `"${graph.name}" must work on scalars; it holds ${formatType(wide)}.`);
  }
  const written = new Set<string>();
  const sides = [
    ...inputs.map((place, i) => ({ place, value: graph.inputs[i]!.value, isOutput: false })),
    ...outputs.map((place, i) => ({ place, value: graph.outputs[i]!.value, isOutput: true })),
  ];
  for (const { place, value, isOutput } of sides) {
    if (!("section" in place)) continue;
    const { section } = place;
    if (value.dtype !== "f32")
      fail("SWEEP_DTYPE", `section "${section}" is f32, but the graph has ${formatType(value)}.`);
    if (isOutput && written.has(section)) fail("SWEEP_PROGRAM", `section "${section}" is written twice.`);
    if (isOutput) written.add(section);
  }
}

/** Names of inputs and outputs of a swept graph. */
export const uniformsName = "uniforms";
export const sumsName = "sums";
export const inputName = (section: string, index: number): string => `${section}.${index}`;
export const outputName = (section: string, index: number): string => `new.${section}.${index}`;

/** The ranges of a graph; parameters that have no elements are left out. */
export type SweptRanges = readonly Pick<SweepRange, "first" | "last">[];

/** A scalar program, taken apart: what is the same for a whole range is computed on the host, in doubles. */
export class SweepPlan {
  readonly program: SweepProgram;
  /** Sections that are read, and sections that are written. */
  readonly reads: readonly string[];
  readonly writes: readonly string[];
  readonly sums: readonly string[];
  /** Names of run-time scalars. */
  readonly scalars: readonly string[];
  private readonly uniform: readonly Node[];
  private readonly varying: readonly Node[];
  /** Values that elements meet and that are the same for a range. */
  private readonly passed: readonly Value[];

  constructor(program: SweepProgram) {
    requirePointwise(program);
    const { graph, inputs, outputs } = program;
    this.program = program;
    this.reads = [...new Set(inputs.flatMap((input) => ("section" in input ? [input.section] : [])))];
    this.writes = outputs.flatMap((output) => ("section" in output ? [output.section] : []));
    this.sums = outputs.flatMap((output) => ("sum" in output ? [output.sum] : []));
    this.scalars = inputs.flatMap((input) => ("scalar" in input ? [input.scalar] : []));
    const perElement = new Set(graph.inputs.flatMap(({ value }, i) => ("section" in inputs[i]! ? [value] : [])));
    this.uniform = uniformNodes(graph, perElement);
    const isUniform = new Set<Node>(this.uniform);
    this.varying = graph.nodes.filter((node) => !isUniform.has(node));
    const known = new Set<Value>([
      ...graph.inputs.flatMap(({ value }) => (perElement.has(value) ? [] : [value])),
      ...this.uniform.flatMap((node) => node.outputs),
    ]);
    const used = [...this.varying.flatMap((node) => node.inputs), ...graph.outputs.map(({ value }) => value)];
    this.passed = [...new Set(used)].filter((value) => known.has(value));
  }

  /** The numbers that a range's elements meet, each rounded once. */
  uniforms(scalars: Readonly<Record<string, number>>): number[] {
    const { graph, inputs } = this.program;
    const known = new Map<Value, number>();
    graph.inputs.forEach(({ value }, i) => {
      const input = inputs[i]!;
      if ("scalar" in input) known.set(value, scalars[input.scalar]!);
    });
    evaluateUniform(graph, this.uniform, known);
    return this.passed.map((value) => known.get(value)!);
  }

  /** How many of them. */
  get numUniforms(): number {
    return this.passed.length;
  }

  /**
   * The program over ranges of parameters. Inputs: `uniforms` f32[R·U] where there are any, and the sections that are read;
   * outputs: the sections that are written, and `sums` f64[R·S] where there are any. Sums are in f64.
   */
  graph(shapes: readonly Shape[], ranges: SweptRanges): Graph {
    const builder = new GraphBuilder(this.program.graph.name);
    const given = this.numUniforms * ranges.length;
    const uniforms = given === 0 ? undefined : builder.input(uniformsName, "f32", [given]);
    const sections = new Map<string, Value>();
    for (const index of sweptParameters(shapes, ranges)) {
      for (const section of this.reads) {
        const name = inputName(section, index);
        // Ranges that only read may share parameters.
        if (!sections.has(name)) sections.set(name, builder.input(name, "f32", shapes[index]!));
      }
    }
    const outputs: NamedValue[] = [];
    const totals: Value[] = [];
    ranges.forEach((extent, range) => {
      const scalars = this.passed.map((value, i) => {
        const at = range * this.numUniforms + i;
        const [piece] = builder.emit("slice", [uniforms!], { starts: [at], limits: [at + 1], strides: [1] });
        const [scalar] = builder.emit("reshape", [piece!], { shape: [] });
        return value.dtype === "f32" ? scalar! : builder.emit("convert", [scalar!], { dtype: value.dtype })[0]!;
      });
      const sums = this.sums.map(() => builder.emit("constant", [], constantOf(0))[0]!);
      const widened = new Map<string, Map<Value, Value>>();
      for (const index of sweptParameters(shapes, [extent])) {
        const shape = shapes[index]!;
        const wide = widened.get(shape.join()) ?? this.widened(builder, shape, scalars);
        widened.set(shape.join(), wide);
        const results = this.mapped(builder, wide, (section) => sections.get(inputName(section, index))!);
        let sum = 0;
        this.program.outputs.forEach((output, i) => {
          const value = results[i]!;
          if ("section" in output) outputs.push({ name: outputName(output.section, index), value });
          else {
            sums[sum] = builder.emit("add", [sums[sum]!, total(builder, value)], {})[0]!;
            sum++;
          }
        });
      }
      totals.push(...sums.map((sum) => builder.emit("reshape", [sum], { shape: [1] })[0]!));
    });
    if (totals.length > 0) {
      outputs.push({ name: sumsName, value: builder.emit("concatenate", totals, { axis: 0 })[0]! });
    }
    return builder.finish(outputs);
  }

  /** What is the same for a range, for parameters of one shape. */
  private widened(builder: GraphBuilder, shape: Shape, scalars: readonly Value[]): Map<Value, Value> {
    return new Map(
      this.passed.map((value, i) => [value, builder.emit("broadcast", [scalars[i]!], { shape, dims: [] })[0]!]),
    );
  }

  /** The results for the elements of one parameter. */
  private mapped(
    builder: GraphBuilder,
    widened: ReadonlyMap<Value, Value>,
    sectionOf: (section: string) => Value,
  ): Value[] {
    const { graph, inputs } = this.program;
    const known = new Map(widened);
    graph.inputs.forEach(({ value }, i) => {
      const input = inputs[i]!;
      if ("section" in input) known.set(value, sectionOf(input.section));
    });
    for (const node of this.varying) {
      const operands = node.inputs.map((value) => known.get(value)!);
      const result = movements.includes(node.op)
        ? operands[0]!
        : builder.emit(node.op, operands, node.params as never, node)[0]!;
      known.set(node.outputs[0]!, result);
    }
    return graph.outputs.map(({ value }) => known.get(value)!);
  }
}

const constantOf = (value: number) => ({ dtype: "f64", shape: [], data: Float64Array.of(value) }) as const;

/** Σ of all elements in f64. */
function total(builder: GraphBuilder, value: Value): Value {
  const [wide] = builder.emit("convert", [value], { dtype: "f64" });
  const axes = value.shape.map((_, axis) => axis);
  return axes.length === 0 ? wide! : builder.emit("reduceSum", [wide!], { axes })[0]!;
}

/** Parameters of ranges that have elements, in order; each as often as it is in a range. */
export function sweptParameters(shapes: readonly Shape[], ranges: SweptRanges): number[] {
  return ranges.flatMap(({ first, last }) =>
    Array.from({ length: last - first }, (_, i) => first + i).filter((index) => sizeOf(shapes[index]!) > 0),
  );
}
