/** @file Two lowered graphs of one program, traced with different sizes, become nodes for every size. */
import { isDeepStrictEqual } from "node:util";
import type { LoweredGraph } from "../backend/onnx/lower/lower-graph.ts";
import type { OnnxNode, OnnxTensor } from "../backend/onnx/proto/model.ts";
import { BackendError } from "../base/errors.ts";
import type { Dimensions, Expression, Pair } from "./dimension.ts";
import type { NodeBuilder, SizeNodes } from "./node-builder.ts";

/** Sizes of a shape in the two graphs, axis by axis. */
type ShapePair = readonly Pair[];

/** A shape in the first graph and in the second. */
export type Shapes = readonly [readonly number[], readonly number[]];

/** What a node's operands are in the two graphs. */
export interface PairedGraphs {
  readonly first: LoweredGraph;
  readonly second: LoweredGraph;
}

function refuse(node: OnnxNode | undefined, reason: string): BackendError {
  const where = node === undefined ? "the graph" : `the node ${node.name ?? node.opType}`;
  return new BackendError(`${where} ${reason}. This is a fault of the export: please report it.`, {
    code: "EXPORT_SIZES",
    path: "export",
  });
}

const shapesByName = ({ model, results }: LoweredGraph): ReadonlyMap<string, readonly number[]> => {
  const { inputs, weights = [], initializers = {} } = model.graph;
  return new Map<string, readonly number[]>([
    ...[...inputs, ...weights].map(({ name, shape }): [string, readonly number[]] => [name, shape as number[]]),
    ...Object.entries(initializers).map(([name, { shape }]): [string, readonly number[]] => [name, shape]),
    ...[...results.values()].map(({ name, shape }): [string, readonly number[]] => [name, shape]),
  ]);
};

function pairs(a: readonly number[], b: readonly number[]): ShapePair | undefined {
  return a.length === b.length ? a.map((size, i) => [size, b[i]!] as const) : undefined;
}

const numbersOf = ({ data }: OnnxTensor): number[] => Array.from(data as unknown as ArrayLike<number | bigint>, Number);

/** Walks two graphs side by side and writes the one graph that both are instances of. */
export class Generalizer {
  private readonly graphs: PairedGraphs;
  private readonly dimensions: Dimensions;
  private readonly builder: NodeBuilder;
  private readonly sizes: SizeNodes;
  private readonly shapes: readonly [ReadonlyMap<string, readonly number[]>, ReadonlyMap<string, readonly number[]>];
  /** Names of the second graph's values in the first. */
  private readonly names = new Map<string, string>();
  /** Names in the written graph for values of the first. */
  private readonly renamed: Map<string, string>;

  /** @param renamed what the graph's inputs are called in the written one */
  constructor(
    graphs: PairedGraphs,
    { dimensions, builder, sizes }: { dimensions: Dimensions; builder: NodeBuilder; sizes: SizeNodes },
    renamed: ReadonlyMap<string, string>,
  ) {
    this.graphs = graphs;
    this.dimensions = dimensions;
    this.builder = builder;
    this.sizes = sizes;
    this.shapes = [shapesByName(graphs.first), shapesByName(graphs.second)];
    this.renamed = new Map(renamed);
  }

  /**
   * Writes all nodes into the builder.
   * @returns what the values of the first graph are called
   * @throws {BackendError} EXPORT_SIZES where the graphs differ in more than sizes that the dimensions explain
   */
  run(): ReadonlyMap<string, string> {
    const [a, b] = [this.graphs.first.model.graph, this.graphs.second.model.graph];
    const [ends, others] = [a, b].map(({ inputs, weights = [] }) => [...inputs, ...weights]);
    if (ends!.length !== others!.length || a.nodes.length !== b.nodes.length) {
      throw refuse(undefined, "has other nodes for other sizes");
    }
    ends!.forEach(({ name }, i) => {
      this.names.set(others![i]!.name, name);
    });
    a.nodes.forEach((node, i) => {
      this.node(node, b.nodes[i]!);
    });
    return this.renamed;
  }

  /** How each size of a shape comes of the dimensions. */
  explainShape(...[first, second]: Shapes): Expression[] {
    const shape = pairs(first, second);
    if (shape === undefined) throw refuse(undefined, "has values of another rank for other sizes");
    return this.explained(shape, undefined);
  }

  private explained(shape: ShapePair, node: OnnxNode | undefined): Expression[] {
    return shape.map((pair) => {
      const found = this.dimensions.explain(pair);
      if (found === undefined) throw refuse(node, `has a size of ${pair[0]} and ${pair[1]} that nothing explains`);
      return found;
    });
  }

  private node(one: OnnxNode, other: OnnxNode): void {
    const isSame = one.opType === other.opType && one.domain === other.domain;
    if (!isSame || one.inputs.length !== other.inputs.length || one.outputs.length !== other.outputs.length) {
      throw refuse(one, "is another one for other sizes");
    }
    if (!isDeepStrictEqual(one.attributes, other.attributes)) throw refuse(one, "has other attributes for other sizes");
    one.outputs.forEach((name, i) => {
      this.names.set(other.outputs[i]!, name);
      this.renamed.set(name, this.builder.freshName(one.opType));
    });
    if (one.opType === "Reshape" && this.reshape(one, other)) return;
    const inputs = one.inputs.map((name, i) => this.operand(one, name, other.inputs[i]!));
    this.write(one, inputs, one.attributes ?? {});
  }

  private write(node: OnnxNode, inputs: readonly string[], attributes: NonNullable<OnnxNode["attributes"]>): void {
    const outputs = node.outputs.map((name) => this.renamed.get(name)!);
    const { opType, domain } = node;
    this.builder.nodes.push({
      ...{ opType, inputs, outputs, attributes, name: `${outputs[0]}/${opType}` },
      ...(domain === undefined ? {} : { domain }),
    });
  }

  /** An operand's name in the written graph: constants are copied, or computed where they depend on sizes. */
  private operand(node: OnnxNode, one: string, other: string): string {
    if (one === "" && other === "") return "";
    const [a, b] = this.constants(one, other);
    if (a === undefined || b === undefined) {
      if (a !== b || this.names.get(other) !== one) throw refuse(node, "has other operands for other sizes");
      return this.renamed.get(one) ?? one;
    }
    if (isDeepStrictEqual(a, b)) {
      return this.builder.once(`copy ${one}`, () => this.builder.constant(a.dtype, a.shape, a.data));
    }
    const isSizes = (a.dtype === "i64" || a.dtype === "i32") && a.dtype === b.dtype && a.shape.length <= 1;
    const values = pairs(numbersOf(a), numbersOf(b));
    if (!isSizes || a.shape.length !== b.shape.length || values === undefined) {
      throw refuse(node, "has a constant that depends on sizes");
    }
    const sizes = this.explained(values, node);
    if (a.shape.length === 0) return this.sizes.number(sizes[0]!, a.dtype, 0);
    const vector = this.sizes.vector(sizes);
    return a.dtype === "i64" ? vector : this.builder.once(`${vector} i32`, () => this.builder.cast(vector, "i32"));
  }

  private constants(one: string, other: string): [OnnxTensor | undefined, OnnxTensor | undefined] {
    const { first, second } = this.graphs;
    return [first.model.graph.initializers?.[one], second.model.graph.initializers?.[other]];
  }

  /** Writes a reshape whose sizes depend on the dimensions, if the node is one. */
  private reshape(one: OnnxNode, other: OnnxNode): boolean {
    const [x, shape] = one.inputs as [string, string];
    const [a, b] = this.constants(shape, other.inputs[1]!);
    if (a === undefined || b === undefined || isDeepStrictEqual(a, b)) return false;
    const given = [this.shapes[0].get(x) ?? [], this.shapes[1].get(other.inputs[0]!) ?? []] as const;
    const operand = this.operand(one, x, other.inputs[0]!);
    this.reshaped(operand, given, [numbersOf(a), numbersOf(b)], this.renamed.get(one.outputs[0]!)!);
    return true;
  }

  /**
   * The elements of a value of the written graph under another shape: with 0 for an axis that keeps its size and −1 for one
   * more, so that nothing need be computed; only then with computed sizes.
   * @param given its shape in the two graphs; @param wanted the shape to be
   * @throws {BackendError} EXPORT_SIZES
   */
  reshaped(operand: string, given: Shapes, wanted: Shapes, result?: string): string {
    const sizes = this.explainShape(...wanted);
    const before = pairs(...given);
    let inferred = 0;
    const simple = wanted[0].map((size, axis) => {
      const pair = [size, wanted[1][axis]!];
      if (pair[0] === pair[1]) return size;
      if (isDeepStrictEqual(before?.[axis], pair)) return 0;
      inferred++;
      return -1;
    });
    if (inferred <= 1) return this.builder.op("Reshape", [operand, this.builder.ints(simple)], {}, result);
    return this.builder.op("Reshape", [operand, this.sizes.vector(sizes)], { allowzero: { int: 1 } }, result);
  }
}
