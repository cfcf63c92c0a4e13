import { describe, expect, it } from "vitest";
import type { Graph } from "../../ir/graph.ts";
import { createMemory, MemoryBuffer } from "./memory.ts";
import { requireApart } from "./run-buffers.ts";

const memory = createMemory(1);
const graph = { name: "g", outputs: [{ name: "first" }, { name: "second" }] } as unknown as Graph;

/** A buffer from one byte of the memory to another. */
const span = (start: number, end: number, where = memory) =>
  new MemoryBuffer({ dtype: "bool", shape: [end - start] }, where, start);

describe("requireApart", () => {
  it("lets inputs lie in one another, and buffers touch", () => {
    const inputs = [span(0, 100), span(10, 20), span(0, 100)];
    expect(() => requireApart(graph, inputs, [span(100, 110), span(110, 120)])).not.toThrow();
    expect(() => requireApart(graph, inputs, [span(0, 100, createMemory(1))])).not.toThrow();
    expect(() => requireApart(graph, inputs, [span(50, 50)])).not.toThrow();
  });

  it.each([
    ["the same place", [[0, 10]], [[0, 10]], "first"],
    [
      "an output after the end of an input in the same other input (neighbours alone are apart)",
      [
        [0, 100],
        [10, 20],
      ],
      [[50, 60]],
      "first",
    ],
    [
      "an input that begins in an output",
      [[50, 60]],
      [
        [120, 130],
        [0, 51],
      ],
      "second",
    ],
    [
      "an input in an output, behind another",
      [
        [10, 20],
        [30, 40],
      ],
      [[0, 100]],
      "first",
    ],
    [
      "two outputs",
      [],
      [
        [0, 10],
        [9, 20],
      ],
      "second",
    ],
  ] as [string, number[][], number[][], string][])("refuses %s", (_, inputs, outputs, named) => {
    const buffers = (list: number[][]) => list.map(([start, end]) => span(start!, end!));
    const check = () => requireApart(graph, buffers(inputs), buffers(outputs));
    expect(check).toThrow(expect.objectContaining({ code: "REGION_OVERLAP" }));
    expect(check).toThrow(`output "${named}" shares its memory`);
  });
});
