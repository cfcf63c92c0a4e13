/** @file Every operation with every sample on every engine, against the interpreter in double precision. */
import { describe, expect, it } from "vitest";
import type { Backend } from "../../src/backend/backend.ts";
import type { Graph, OpName } from "../../src/ir/graph.ts";
import { isComposite } from "../../src/ir/op.ts";
import { tensorType } from "../../src/ir/shape.ts";
import { trace } from "../../src/tensor/trace.ts";
import { opNames, opSamples } from "../support/samples/index.ts";
import { drawInputs, type Sample } from "../support/samples/sample.ts";
import { forEachEngine } from "./engine.ts";
import { disagreements } from "./execute.ts";

function graphOf(op: OpName, index: number, sample: Sample): Graph {
  const inputs = drawInputs(op, index, sample, "f32");
  const types = Object.fromEntries(inputs.map(({ dtype, shape }, i) => [`x${i}`, tensorType(dtype, shape)]));
  const graph = trace(`${op} ${sample.title}`, types, (symbols) =>
    Object.fromEntries(sample.run(Object.values(symbols), "f32").map((tensor, i) => [`y${i}`, tensor])),
  );
  return graph;
}

/** Results in f64 are the interpreter's alone. */
const usesF64 = (graph: Graph): boolean =>
  graph.nodes.some(({ outputs }) => outputs.some(({ dtype }) => dtype === "f64"));

async function failures(backend: Backend, op: OpName, primitivesOnly: boolean): Promise<string[]> {
  const found: string[] = [];
  for (const [index, sample] of opSamples[op].entries()) {
    const graph = graphOf(op, index, sample);
    expect(graph.nodes.map((node) => node.op)).toContain(op);
    if (usesF64(graph) && !backend.computeDtypes.includes("f64")) continue;
    found.push(...(await disagreements(backend, graph, drawInputs(op, index, sample, "f32"), { primitivesOnly })));
  }
  return found;
}

forEachEngine((backend, engine) => {
  it("is the engine that runs", engine.prove);

  describe("alone", () => {
    it.each(opNames)("%s", async (op) => {
      expect(await failures(backend, op, false)).toEqual([]);
    });
  });

  describe("expanded into primitives", () => {
    // Only an engine that fuses does anything else here than above.
    it.skipIf(backend.name === "reference").each(opNames.filter(isComposite))("%s", async (op) => {
      expect(await failures(backend, op, true)).toEqual([]);
    });
  });
});
