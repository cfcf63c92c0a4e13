/** @file Pointwise programs over a store, interpreted a run of elements at a time. */
import { BackendError } from "../../base/errors.ts";
import type { Graph, NodeOf, PrimitiveName, Value } from "../../ir/graph.ts";
import type { ParameterStore, Sweep, SweepProgram, SweepRange } from "../backend.ts";
import { elementwiseKernels } from "../host/elementwise.ts";
import type { Kernel } from "../host/kernel.ts";
import { allocateTensor, type Precision, roundToDtype, type Tensor } from "../host/storage.ts";
import { checkSweepRanges } from "../sweep-range.ts";
import { ReferenceStore } from "./store.ts";

/** Elements interpreted at once; bounds the memory for intermediate values. */
const runLength = 4096;

function fail(code: string, message: string): never {
  throw new BackendError(message, { code, path: "sweep" });
}

const isPointwise = (op: string): op is keyof typeof elementwiseKernels => op in elementwiseKernels;
/** Movements of a scalar leave it as it is. */
const isIdentity = (op: string): boolean => op === "reshape" || op === "broadcast" || op === "transpose";

function requirePointwise(graph: Graph): void {
  for (const node of graph.nodes) {
    if (node.op !== "constant" && !isIdentity(node.op) && !isPointwise(node.op)) {
      fail("POINTWISE_UNSUPPORTED", `${node.op} is not an elementwise operation in "${graph.name}".`);
    }
  }
  const values = [...graph.inputs.map(({ value }) => value), ...graph.nodes.flatMap(({ outputs }) => outputs)];
  if (values.some(({ shape }) => shape.length > 0)) {
    fail("POINTWISE_NOT_SCALAR", `"${graph.name}" must work on scalars.`);
  }
}

/** A scalar repeated over a run of elements. */
function filled(value: Value, number: number, count: number, precision: Precision): Tensor {
  const tensor = allocateTensor(value.dtype, [count], precision);
  tensor.data.fill(number);
  roundToDtype(tensor, precision);
  return tensor;
}

/** Evaluates a scalar graph for many elements: every scalar stands for `count` of them. */
function evaluatePointwise(graph: Graph, inputs: readonly Tensor[], count: number, precision: Precision): Tensor[] {
  const tensors = new Map<Value, Tensor>();
  graph.inputs.forEach(({ value }, i) => {
    tensors.set(value, inputs[i]!);
  });
  for (const node of graph.nodes) {
    const [value] = node.outputs as [Value];
    if (node.op === "constant") {
      tensors.set(value, filled(value, Number(node.params.data[0]), count, precision));
    } else if (isPointwise(node.op)) {
      const output = allocateTensor(value.dtype, [count], precision);
      const { params } = node as NodeOf<PrimitiveName>;
      const operands = node.inputs.map((operand) => tensors.get(operand)!);
      (elementwiseKernels[node.op] as Kernel<PrimitiveName>)({
        inputs: operands,
        outputs: [output],
        params,
        evaluate: () => fail("POINTWISE_UNSUPPORTED", "elementwise operations have no bodies"),
      });
      roundToDtype(output, precision);
      tensors.set(value, output);
    } else {
      tensors.set(value, tensors.get(node.inputs[0]!)!);
    }
  }
  return graph.outputs.map(({ value }) => tensors.get(value)!);
}

/** A sweep of the reference engine. */
export class ReferenceSweep implements Sweep {
  private readonly program: SweepProgram;
  private readonly precision: Precision;
  private readonly scalars: readonly string[];
  private readonly writes: boolean;
  private disposed = false;

  /** @throws {BackendError} POINTWISE_UNSUPPORTED, POINTWISE_NOT_SCALAR or SWEEP_PROGRAM */
  constructor(program: SweepProgram, precision: Precision) {
    const { graph, inputs, outputs } = program;
    if (inputs.length !== graph.inputs.length || outputs.length !== graph.outputs.length) {
      const counts = `${graph.inputs.length} inputs and ${graph.outputs.length} outputs`;
      fail("SWEEP_PROGRAM", `"${graph.name}" has ${counts}; the program names ${inputs.length} and ${outputs.length}.`);
    }
    requirePointwise(graph);
    this.program = program;
    this.precision = precision;
    this.scalars = inputs.flatMap((input) => ("scalar" in input ? [input.scalar] : []));
    this.writes = outputs.some((output) => "section" in output);
  }

  async run(store: ParameterStore, ranges: readonly SweepRange[]): Promise<Readonly<Record<string, number>>> {
    const sums = this.noSums();
    this.sweep(store, ranges, () => sums);
    return sums;
  }

  async runEach(
    store: ParameterStore,
    ranges: readonly SweepRange[],
  ): Promise<readonly Readonly<Record<string, number>>[]> {
    const sums = ranges.map(() => this.noSums());
    this.sweep(store, ranges, (range) => sums[range]!);
    return sums;
  }

  private noSums(): Record<string, number> {
    return Object.fromEntries(this.program.outputs.flatMap((output) => ("sum" in output ? [[output.sum, 0]] : [])));
  }

  private sweep(
    store: ParameterStore,
    ranges: readonly SweepRange[],
    sumsOf: (range: number) => Record<string, number>,
  ): void {
    if (this.disposed) fail("SWEEP_DISPOSED", "the sweep was disposed and is run again.");
    if (!(store instanceof ReferenceStore)) fail("SWEEP_STORE", "the store belongs to another engine.");
    checkSweepRanges(ranges, { parameters: store.types.length, scalars: this.scalars, writes: this.writes });
    for (const [i, range] of ranges.entries()) {
      for (let index = range.first; index < range.last; index++) this.sweepParameter(store, index, range, sumsOf(i));
    }
  }

  async dispose(): Promise<void> {
    this.disposed = true;
  }

  private sweepParameter(
    store: ReferenceStore,
    index: number,
    { scalars }: SweepRange,
    sums: Record<string, number>,
  ): void {
    const { graph, inputs, outputs } = this.program;
    const size = store.types[index]!.shape.reduce((product, dim) => product * dim, 1);
    for (let start = 0; start < size; start += runLength) {
      const end = Math.min(start + runLength, size);
      const operands = inputs.map((input, i): Tensor => {
        const { value } = graph.inputs[i]!;
        if ("scalar" in input) return filled(value, scalars[input.scalar]!, end - start, this.precision);
        const data = store.data(input.section, index).subarray(start, end);
        return { dtype: value.dtype, shape: [end - start], data };
      });
      const results = evaluatePointwise(graph, operands, end - start, this.precision);
      // A result may be the memory of a section that another output overwrites.
      const taken = results.map(({ data }) => data.slice());
      outputs.forEach((output, i) => {
        if ("section" in output) store.data(output.section, index).set(taken[i]!, start);
        else for (const x of taken[i]!) sums[output.sum]! += x;
      });
    }
  }
}
