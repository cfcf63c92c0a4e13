/**
 * @file Every sample of every operation as StableHLO, run by JAX on the CPU, against the interpreter in double precision.
 * Runs where FIRTH_PEER_PYTHON names a Python that has jax.
 */
import { describe, expect, it } from "vitest";
import { vjpRules } from "../../src/autodiff/table.ts";
import { lowerToStableHlo } from "../../src/backend/xla/lower/lower-to-stablehlo.ts";
import type { HostTensor } from "../../src/ir/dtype.ts";
import type { Graph, OpName } from "../../src/ir/graph.ts";
import { isComposite } from "../../src/ir/op.ts";
import { optimize } from "../../src/ir/pass/optimize.ts";
import { formatType } from "../../src/ir/shape.ts";
import { decompose } from "../../src/tensor/decompose/decompose.ts";
import { opNames, opSamples } from "../support/samples/index.ts";
import { drawInputs } from "../support/samples/sample.ts";
import { type OracleProgram, type OracleResult, oraclePython, runOracle } from "../support/stablehlo-oracle.ts";
import { stepGraph } from "../support/step-graph.ts";
import { expected } from "./execute.ts";
import { sampleGraph } from "./sample-graph.ts";
import { difference } from "./tolerance.ts";

interface Case {
  readonly op: OpName;
  readonly graph: Graph;
  readonly program: OracleProgram;
}

type Form = "as it is" | "optimized" | "in primitives";

function casesOf(op: OpName, withGradient: boolean, form: Form): Case[] {
  return opSamples[op].flatMap((sample, index) => {
    if (withGradient && sample.noGradient !== undefined) return [];
    const graph = sampleGraph(op, index, sample, withGradient);
    const inputs = drawInputs(op, index, sample, "f32");
    const lowered = form === "as it is" ? graph : form === "optimized" ? optimize(graph) : decompose(graph);
    return [{ op, graph, program: { module: lowerToStableHlo(lowered), inputs } }];
  });
}

const differences = (graph: Graph, actual: readonly HostTensor[], inputs: readonly HostTensor[]): string[] => {
  const wanted = expected(graph, inputs);
  return graph.outputs.flatMap(({ name, value }, i) => {
    const found = difference(value.dtype, actual[i]!.data, wanted[i]!.data);
    return found === undefined ? [] : [`${graph.name}, ${name} ${formatType(value)}: ${found}`];
  });
};

/** Length of the difference as part of the expected one's. */
function relativeError(actual: ArrayLike<number>, wanted: ArrayLike<number>): number {
  let [difference, length] = [0, 0];
  for (let i = 0; i < wanted.length; i++) {
    difference += (actual[i]! - wanted[i]!) ** 2;
    length += wanted[i]! ** 2;
  }
  return Math.sqrt(difference / length);
}

/** What JAX makes of the cases, by operation. */
function failures(cases: readonly Case[]): string[] {
  const results = runOracle(cases.map(({ program }) => program));
  return cases.flatMap(({ op, graph, program }, i) => {
    const result = results[i]!;
    if (result instanceof Error) return [`${op}, ${graph.name}: ${result.message}`];
    return differences(graph, result.outputs, program.inputs).map((text) => `${op}, ${text}`);
  });
}

const reason = oraclePython === undefined ? " (skipped: FIRTH_PEER_PYTHON names no Python with jax)" : "";

describe.skipIf(oraclePython === undefined)(`StableHLO on JAX's CPU${reason}`, () => {
  it("every operation alone", () => {
    expect(failures(opNames.flatMap((op) => casesOf(op, false, "as it is")))).toEqual([]);
  }, 600_000);

  it("every operation with its gradient", () => {
    const differentiable = opNames.filter((op) => vjpRules[op] !== null);
    expect(failures(differentiable.flatMap((op) => casesOf(op, true, "optimized")))).toEqual([]);
  }, 600_000);

  it("every composite in primitives", () => {
    const composites = opNames.filter(isComposite);
    expect(failures(composites.flatMap((op) => casesOf(op, false, "in primitives")))).toEqual([]);
  }, 600_000);

  it("a step of pre-training in f32, with layers computed again, and over two devices: the same dropout, loss and gradients", () => {
    const { graph, inputs } = stepGraph("f32");
    const again = stepGraph("f32", { recomputeLayers: true }).graph;
    const ready = optimize(graph);
    const batch = graph.inputs.filter(({ name, value }) => name.startsWith("batch.") && value.shape[0]! % 2 === 0);
    const spread = { partitions: 2, inputs: new Map(batch.map(({ name }) => [name, { axis: 0 }])) };
    expect(batch.length).toBeGreaterThan(2);
    const modules = [
      lowerToStableHlo(ready),
      lowerToStableHlo(optimize(again), { oneHotRows: 512 }),
      lowerToStableHlo(ready, { partitioning: spread }),
    ];
    const results = runOracle(modules.map((module) => ({ module, inputs })));
    for (const result of results)
      expect(result instanceof Error ? result.message : differences(graph, result.outputs, inputs)).toEqual([]);
  }, 600_000);

  it("a step of pre-training in bf16: loss and gradients near those of f32", () => {
    const { graph, inputs } = stepGraph("bf16");
    const [result] = runOracle([{ module: lowerToStableHlo(optimize(graph)), inputs }]) as [OracleResult | Error];
    if (result instanceof Error) throw result;
    const wanted = expected(stepGraph("f32").graph, inputs);
    const far = graph.outputs.flatMap(({ name }, i) => {
      const error = relativeError(result.outputs[i]!.data, wanted[i]!.data);
      return error < 0.02 ? [] : [`${name}: ${error}`];
    });
    expect(far).toEqual([]);
  }, 600_000);
});
