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

/** @throws {BackendError} REGION_OVERLAP when an output shares memory with another buffer of the run */
export function requireApart(graph: Graph, inputs: readonly MemoryBuffer[], outputs: readonly MemoryBuffer[]): void {
  const byMemory = new Map<ArrayBufferLike, { start: number; end: number; output: number }[]>();
  [...inputs, ...outputs].forEach((buffer, i) => {
    const { buffer: memory, byteOffset: start, byteLength } = buffer.region;
    if (byteLength === 0) return;
    const spans = byMemory.get(memory) ?? [];
    spans.push({ start, end: start + byteLength, output: i - inputs.length });
    byMemory.set(memory, spans);
  });
  // From low to high places, each is compared with what reaches farthest before it: inputs may lie in one another.
  for (const spans of byMemory.values()) {
    spans.sort((a, b) => a.start - b.start);
    const none = { end: -1, output: -1 };
    let farthest = none;
    let farthestOutput = none;
    for (const span of spans) {
      const isOutput = span.output >= 0;
      const other = span.start < farthestOutput.end ? farthestOutput : isOutput ? farthest : none;
      if (span.start < other.end) {
        const index = Math.max(span.output, other.output);
        const message = `output "${graph.outputs[index]!.name}" shares its memory with another buffer. Bind them apart`;
        throw executableError(graph, message, "REGION_OVERLAP");
      }
      if (span.end > farthest.end) farthest = span;
      if (isOutput && span.end > farthestOutput.end) farthestOutput = span;
    }
  }
}
