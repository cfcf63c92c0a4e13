/** @file What every engine over shared memory checks before a run. */
import { BackendError, ShapeError } from "../../base/errors.ts";
import type { Graph, NamedValue } from "../../ir/graph.ts";
import { formatType, sameType } from "../../ir/shape.ts";
import type { Buffer } from "../backend.ts";
import { MemoryBuffer } from "./memory.ts";

/** An error of an executable. */
export function executableError(graph: Graph, what: string, code: string): BackendError {
  return new BackendError(`${what}.`, { code, path: `executable "${graph.name}"` });
}

function checkSide(
  graph: Graph,
  side: string,
  expected: readonly NamedValue[],
  buffers: readonly Buffer[],
): MemoryBuffer[] {
  if (buffers.length !== expected.length) {
    throw new ShapeError(`takes ${expected.length} ${side} buffers; got ${buffers.length}.`, {
      code: "BUFFER_COUNT",
      path: `executable "${graph.name}"`,
    });
  }
  return expected.map(({ name, value }, i) => {
    const buffer = buffers[i]!;
    if (!sameType(value, buffer)) {
      throw new ShapeError(
        `the graph has ${formatType(value)}, the buffer ${formatType(buffer)}. Pass a buffer of the graph's type.`,
        { code: "BUFFER_TYPE", path: `executable "${graph.name}", ${side} "${name}"` },
      );
    }
    if (!(buffer instanceof MemoryBuffer)) {
      throw executableError(graph, `was given a buffer of another engine as ${side} "${name}"`, "BUFFER_FOREIGN");
    }
    return buffer;
  });
}

/**
 * The buffers of a run as this kind of memory.
 * @throws {ShapeError} BUFFER_COUNT, BUFFER_TYPE naming the graph's input or output that does not fit
 * @throws {BackendError} BUFFER_FOREIGN
 */
export function checkRun(
  graph: Graph,
  inputs: readonly Buffer[],
  outputs: readonly Buffer[],
): { readonly inputs: readonly MemoryBuffer[]; readonly outputs: readonly MemoryBuffer[] } {
  return {
    inputs: checkSide(graph, "input", graph.inputs, inputs),
    outputs: checkSide(graph, "output", graph.outputs, outputs),
  };
}

/** Whether two buffers have bytes in common. */
function overlap(a: MemoryBuffer, b: MemoryBuffer): boolean {
  const [one, other] = [a.region, b.region];
  const apart =
    one.byteOffset + one.byteLength <= other.byteOffset || other.byteOffset + other.byteLength <= one.byteOffset;
  return one.buffer === other.buffer && !apart;
}

/** @throws {BackendError} REGION_OVERLAP when an output shares memory with another buffer of the run */
export function requireApart(graph: Graph, inputs: readonly MemoryBuffer[], outputs: readonly MemoryBuffer[]): void {
  // Sorted by place, only neighbours can meet; inputs may share memory among themselves.
  const all = [
    ...inputs.map((buffer) => ({ buffer, output: -1 })),
    ...outputs.map((buffer, output) => ({ buffer, output })),
  ];
  const byMemory = new Map<ArrayBufferLike, typeof all>();
  for (const item of all) {
    const { buffer: memory, byteLength } = item.buffer.region;
    if (byteLength > 0) byMemory.set(memory, [...(byMemory.get(memory) ?? []), item]);
  }
  for (const items of byMemory.values()) {
    items.sort((a, b) => a.buffer.region.byteOffset - b.buffer.region.byteOffset);
    items.forEach((item, i) => {
      const next = items[i + 1];
      if (next === undefined || !overlap(item.buffer, next.buffer)) return;
      const index = Math.max(item.output, next.output);
      if (index < 0) return;
      const message = `output "${graph.outputs[index]!.name}" shares its memory with another buffer. Bind them apart`;
      throw executableError(graph, message, "REGION_OVERLAP");
    });
  }
}
