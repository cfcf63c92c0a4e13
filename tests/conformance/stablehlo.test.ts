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
import { type OracleProgram, oraclePython, runOracle } from "../support/stablehlo-oracle.ts";
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
});
