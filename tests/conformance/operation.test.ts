/** @file Every operation with every sample on every engine, against the interpreter in double precision. */
import { describe, expect, it } from "vitest";
import { vjpRules } from "../../src/autodiff/table.ts";
import type { Backend } from "../../src/backend/backend.ts";
import type { Graph, OpName } from "../../src/ir/graph.ts";
import { isComposite } from "../../src/ir/op.ts";
import { opNames, opSamples } from "../support/samples/index.ts";
import { drawInputs } from "../support/samples/sample.ts";
import { forEachEngine } from "./engine.ts";
import { disagreements } from "./execute.ts";
import { sampleGraph } from "./sample-graph.ts";

/** Results in f64 are the interpreter's alone. */
const usesF64 = (graph: Graph): boolean =>
  graph.nodes.some(({ outputs }) => outputs.some(({ dtype }) => dtype === "f64"));

interface Setting {
  readonly primitivesOnly?: boolean;
  readonly withGradient?: boolean;
}

async function failures(backend: Backend, op: OpName, setting: Setting): Promise<string[]> {
  const { primitivesOnly = false, withGradient = false } = setting;
  const found: string[] = [];
  for (const [index, sample] of opSamples[op].entries()) {
    if (withGradient && sample.noGradient !== undefined) continue;
    const graph = sampleGraph(op, index, sample, withGradient);
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
      expect(await failures(backend, op, {})).toEqual([]);
    });
  });

  describe("with its gradient", () => {
    // Engines rewrite what stands side by side; forward and backward in one graph give them the chance.
    it.each(opNames.filter((op) => vjpRules[op] !== null))("%s", async (op) => {
      expect(await failures(backend, op, { withGradient: true })).toEqual([]);
    });
  });

  // An engine that fuses nothing would do the same again as above.
  if (backend.name === "reference") return;
  describe("expanded into primitives", () => {
    it.each(opNames.filter(isComposite))("%s", async (op) => {
      expect(await failures(backend, op, { primitivesOnly: true })).toEqual([]);
    });
  });
});
