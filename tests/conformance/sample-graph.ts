/** @file The samples of operations as graphs. */
import type { Graph, OpName } from "../../src/ir/graph.ts";
import { tensorType } from "../../src/ir/shape.ts";
import { trace } from "../../src/tensor/trace.ts";
import { named, pullBackRandom, type TestedFunction } from "../support/check-gradients.ts";
import { drawInputs, type Sample } from "../support/samples/sample.ts";

/** A sample's results, and with its gradient the cotangents of its operands for random ones of its results. */
export function sampleGraph(op: OpName, index: number, sample: Sample, withGradient: boolean): Graph {
  const inputs = drawInputs(op, index, sample, "f32");
  const types = Object.fromEntries(inputs.map(({ dtype, shape }, i) => [`x${i}`, tensorType(dtype, shape)]));
  const run: TestedFunction = (tensors) => sample.run(tensors, "f32");
  return trace(`${op} ${sample.title}`, types, (symbols) => {
    const operands = Object.values(symbols);
    return named(withGradient ? [...run(operands), ...pullBackRandom(run, operands)] : run(operands));
  });
}
