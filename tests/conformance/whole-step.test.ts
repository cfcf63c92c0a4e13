/**
 * @file A training step as one graph, lowered for one device and for two, run by JAX on the CPU: the numbers are those of the
 * interpreter. Runs where FIRTH_PEER_PYTHON names a Python that has jax.
 */
import { describe, expect, it } from "vitest";
import { lowerToStableHlo } from "../../src/backend/xla/lower/lower-to-stablehlo.ts";
import type { LowerOptions } from "../../src/backend/xla/lower/module.ts";
import { stepPartitioning } from "../../src/train/step-partitioning.ts";
import { oraclePython, runOracle } from "../support/stablehlo-oracle.ts";
import { farthest, interpretSteps, tinyWholeStep } from "../support/whole-step.ts";

const reason = oraclePython === undefined ? " (skipped: FIRTH_PEER_PYTHON names no Python with jax)" : "";

describe.skipIf(oraclePython === undefined)(`whole steps on JAX's CPU${reason}`, () => {
  it("one device, two, two with divided state, by GSPMD and by Shardy: the interpreter's numbers (bugs: a sum over one half, places of the wrong half, state of another part)", () => {
    const step = tinyWholeStep();
    const { graph, inputs, donations } = step;
    const wanted = interpretSteps(step, 1)[0]!;
    const divided = (cutsState: boolean) => stepPartitioning(graph, { devices: 2, cutsState });
    expect(divided(true).inputs!.size).toBeGreaterThan(divided(false).inputs!.size);
    const cases: readonly LowerOptions[] = [
      {},
      { partitioning: divided(false) },
      { partitioning: divided(true) },
      { partitioning: divided(true), partitioner: "shardy" },
    ];
    const programs = cases.map((options) => ({
      module: lowerToStableHlo(graph, { donations, ...options }),
      inputs,
      wantsCompiled: true,
    }));
    const results = runOracle(programs).map((result) => {
      if (result instanceof Error) throw result;
      return result;
    });
    for (const [at, { outputs }] of results.entries()) {
      graph.outputs.forEach(({ name }, i) => {
        expect(farthest(wanted[i]!, outputs[i]!), `program ${at}, ${name}`).toBeLessThan(2e-6);
      });
    }
    const [one, data, state, shardy] = results.map(({ compiled }) => compiled ?? "");
    expect(one).not.toMatch(/all-reduce|all-gather/);
    expect(data).toContain("all-reduce");
    // New weights are put together from the devices' parts.
    const gathers = (text: string | undefined) => text!.match(/ all-gather(?:-start)?\(/g)?.length ?? 0;
    expect(gathers(state)).toBeGreaterThan(gathers(data));
    // Types and kinds of all exchanges: another choice of what is cut would cost time without changing numbers.
    const exchanges = (text: string | undefined) => {
      const lines = text!.matchAll(
        / = (.*? (?:all-(?:reduce|gather|to-all)|reduce-scatter|collective-permute)(?:-start)?)\(/g,
      );
      return [...lines].map(([, line]) => line).sort();
    };
    expect(exchanges(shardy)).toEqual(exchanges(state));
  }, 600_000);
});
