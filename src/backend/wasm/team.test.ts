import { describe, expect, it } from "vitest";
import { compilePointwise } from "./compile-pointwise.ts";
import { createMemory, pageBytes } from "./memory.ts";
import { KernelTeam, type Piece } from "./team.ts";
import { sumOfSquaresProgram } from "./testing.ts";

const { graph } = sumOfSquaresProgram();
const kernel = compilePointwise({
  graph,
  inputs: [{ kind: "memory", pointer: 0 }],
  outputs: [{ kind: "sum", name: "squares" }],
});
const piece = (memory: WebAssembly.Memory, pointer: number, count = 150_000): Piece => ({
  memory,
  count,
  index: 0,
  pointers: [pointer],
  uniforms: [],
});

describe("a team", () => {
  it("turns a trap in a worker into an error and works again afterwards (a promise that never settles)", async () => {
    const team = new KernelTeam({ threads: 2 });
    const memory = createMemory(10 * pageBytes);
    new Float32Array(memory.buffer).fill(1);
    const outside = piece(memory, 9 * pageBytes);
    await expect(team.run(kernel, [piece(memory, 0), outside])).rejects.toMatchObject({ code: "WORKER_FAILED" });
    expect([...(await team.run(kernel, [piece(memory, 0), piece(memory, 4)]))]).toEqual([150_000, 150_000]);
    await team.dispose();
  });

  it("does not block the caller's event loop while workers run", async () => {
    const team = new KernelTeam({ threads: 1 });
    const memory = createMemory(10 * pageBytes);
    const pieces = Array.from({ length: 400 }, () => piece(memory, 0));
    let done = false;
    const run = team.run(kernel, pieces).then(() => {
      done = true;
    });
    let ticks = 0;
    while (!done) {
      await new Promise((resolve) => setImmediate(resolve));
      ticks++;
    }
    await run;
    expect(ticks).toBeGreaterThan(10);
    await team.dispose();
  });
});
