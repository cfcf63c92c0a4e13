/** @file ONNX Runtime's own operators in terms of the standard's; engines that know them put them together again. */
import { MICROSOFT } from "../backend/onnx/lower/emitter.ts";
import type { OnnxNode } from "../backend/onnx/proto/model.ts";
import { internalError } from "../base/errors.ts";
import type { NodeBuilder } from "./node-builder.ts";

/** What rewriting needs to know of values. */
export interface ValueFacts {
  /** Number of axes. */
  readonly rank: (name: string) => number;
}

const isOn = (node: OnnxNode, flag: string): boolean => {
  const attribute = node.attributes?.[flag];
  return attribute !== undefined && "int" in attribute && Number(attribute.int) === 1;
};

function factorOf(node: OnnxNode): number {
  const attribute = node.attributes?.alpha;
  return attribute !== undefined && "float" in attribute ? attribute.float : 1;
}

const permutationOf = (node: OnnxNode): readonly number[] | undefined => {
  const attribute = node.opType === "Transpose" ? node.attributes?.perm : undefined;
  return attribute !== undefined && "ints" in attribute ? attribute.ints.map(Number) : undefined;
};

/** Rewrites nodes in place of others, in one builder. */
class Rewriter {
  private readonly builder: NodeBuilder;
  private readonly facts: ValueFacts;
  private readonly makers = new Map<string, OnnxNode>();

  constructor(builder: NodeBuilder, facts: ValueFacts) {
    this.builder = builder;
    this.facts = facts;
  }

  add(node: OnnxNode): void {
    const { domain, opType } = node;
    for (const name of node.outputs) this.makers.set(name, node);
    if (domain === undefined) this.builder.nodes.push(node);
    else if (domain === MICROSOFT && opType === "FusedMatMul") this.product(node);
    else if (domain === MICROSOFT && opType === "DynamicQuantizeMatMul") this.quantizedProduct(node);
    else throw internalError(`the export has no standard operators for ${domain}.${opType}`);
  }

  /** alpha · op(a) · op(b). */
  private product(node: OnnxNode): void {
    const [a, b] = node.inputs as [string, string];
    const [result] = node.outputs as [string];
    const alpha = factorOf(node);
    const rank = this.facts.rank(a);
    if (rank === 2) {
      this.builder.op("Gemm", [a, b], node.attributes, result);
      return;
    }
    const left = isOn(node, "transA") ? this.swapped(a, rank) : a;
    const right = isOn(node, "transB") ? this.swapped(b, rank) : b;
    if (alpha === 1) {
      this.builder.op("MatMul", [left, right], {}, result);
      return;
    }
    const product = this.builder.op("MatMul", [left, right]);
    this.builder.op("Mul", [product, this.builder.number("f32", alpha)], {}, result);
  }

  /** A value with its last two axes exchanged; a transpose before it is taken up. */
  private swapped(name: string, rank: number): string {
    const axes = Array.from({ length: rank }, (_, axis) => axis);
    const order = [...axes.slice(0, -2), rank - 1, rank - 2];
    const maker = this.makers.get(name);
    const before = maker === undefined ? undefined : permutationOf(maker);
    const [source, permutation] =
      before === undefined ? [name, order] : [maker!.inputs[0]!, order.map((axis) => before[axis]!)];
    return this.builder.op("Transpose", [source], { perm: { ints: permutation } });
  }

  /** x rounded to 8 bits over its range, times whole numbers, times both scales, plus the bias. */
  private quantizedProduct(node: OnnxNode): void {
    const [x, weight, scale, , bias] = node.inputs as [string, string, string, string, string | undefined];
    const { builder } = this;
    const [levels, step, zero] = [0, 1, 2].map(() => builder.freshName("DynamicQuantizeLinear")) as [
      string,
      string,
      string,
    ];
    const opType = "DynamicQuantizeLinear";
    builder.nodes.push({ opType, inputs: [x], outputs: [levels, step, zero], name: `${levels}/${opType}` });
    const product = builder.cast(builder.op("MatMulInteger", [levels, weight, zero]), "f32");
    const scaled = [product, builder.op("Mul", [step, scale])];
    const [result] = node.outputs as [string];
    if (bias === undefined || bias === "") builder.op("Mul", scaled, {}, result);
    else builder.op("Add", [builder.op("Mul", scaled), bias], {}, result);
  }
}

/** Replaces ONNX Runtime's own operators among the builder's nodes. */
export function toStandardOperators(builder: NodeBuilder, facts: ValueFacts): void {
  const nodes = builder.nodes.splice(0);
  const rewriter = new Rewriter(builder, facts);
  for (const node of nodes) rewriter.add(node);
}

/** Leaves out nodes that no result needs. */
export function withoutUnused(nodes: readonly OnnxNode[], results: readonly string[]): OnnxNode[] {
  const wanted = new Set(results);
  const kept: OnnxNode[] = [];
  for (const node of [...nodes].reverse()) {
    if (!node.outputs.some((name) => wanted.has(name))) continue;
    for (const name of node.inputs) wanted.add(name);
    kept.push(node);
  }
  return kept.reverse();
}
