import { BackendError } from "../../../base/errors.ts";
import { ELEMENT_TYPES, elementCount } from "../proto/element-type.ts";
import type { MemoryRegion, OrtValueSpec } from "./binding.ts";

/** Bytes that a region covers. */
export function regionByteLength(region: MemoryRegion): number {
  return elementCount(region.shape) * ELEMENT_TYPES[region.dtype].byteSize;
}

/** The bytes of a region, without copying. */
export function regionBytes(region: MemoryRegion): Uint8Array {
  return new Uint8Array(region.buffer, region.byteOffset, regionByteLength(region));
}

function refuse(code: string, path: string, message: string): never {
  throw new BackendError(message, { code, path });
}

function describe(value: { readonly dtype: string; readonly shape: readonly number[] }): string {
  return `${value.dtype}[${value.shape.join(",")}]`;
}

function checkRegion(where: string, spec: OrtValueSpec, region: MemoryRegion): void {
  if (region.dtype !== spec.dtype) {
    refuse(
      "REGION_DTYPE",
      where,
      `element types differ; the model has ${describe(spec)}, the region ${describe(region)}. Bind a region of the model's type.`,
    );
  }
  const fits =
    region.shape.length === spec.shape.length &&
    spec.shape.every((size, axis) => size === -1 || size === region.shape[axis]);
  if (!fits) {
    refuse(
      "REGION_SHAPE",
      where,
      `shapes differ; the model has ${describe(spec)}, the region ${describe(region)}. Bind a region of the model's shape.`,
    );
  }
  const { byteSize } = ELEMENT_TYPES[region.dtype];
  if (region.byteOffset % byteSize !== 0) {
    refuse(
      "REGION_ALIGNMENT",
      where,
      `byteOffset must be a multiple of ${byteSize} for ${region.dtype}; got ${region.byteOffset}. Align the region.`,
    );
  }
  const byteLength = regionByteLength(region);
  if (region.byteOffset < 0 || region.byteOffset + byteLength > region.buffer.byteLength) {
    refuse(
      "REGION_BOUNDS",
      where,
      `region leaves its buffer; ${describe(region)} needs bytes ${region.byteOffset}..${region.byteOffset + byteLength}, the buffer has ${region.buffer.byteLength}. Use a larger buffer.`,
    );
  }
}

/** Finds an output that overlaps another region, by sweeping each buffer's regions from low to high addresses. */
function checkOverlap(
  inputs: readonly MemoryRegion[],
  outputs: readonly MemoryRegion[],
  specs: readonly OrtValueSpec[],
  inPlace: ReadonlyMap<number, number>,
): void {
  /** Inputs that are their output's own memory. */
  const shared = new Set<MemoryRegion>();
  for (const [output, input] of inPlace) {
    const [from, to] = [inputs[input]!, outputs[output]!];
    const isSame = from.buffer === to.buffer && from.byteOffset === to.byteOffset;
    if (isSame && regionByteLength(from) === regionByteLength(to)) shared.add(from);
  }
  const byBuffer = new Map<ArrayBufferLike, { start: number; end: number; name: string; isOutput: boolean }[]>();
  [...inputs, ...outputs].forEach((region, index) => {
    const start = region.byteOffset;
    const end = start + regionByteLength(region);
    if (end > start && !shared.has(region)) {
      const spans = byBuffer.get(region.buffer) ?? [];
      spans.push({ start, end, name: specs[index]!.name, isOutput: index >= inputs.length });
      byBuffer.set(region.buffer, spans);
    }
  });
  for (const spans of byBuffer.values()) {
    spans.sort((a, b) => a.start - b.start);
    let lastOutput = { end: -1, name: "" };
    let lastAny = { end: -1, name: "" };
    for (const span of spans) {
      const other =
        span.start < lastOutput.end ? lastOutput : span.isOutput && span.start < lastAny.end ? lastAny : null;
      if (other !== null) {
        refuse(
          "REGION_OVERLAP",
          "onnxruntime.bind",
          `an output must not share bytes with another region; "${span.name}" and "${other.name}" overlap. Bind them apart.`,
        );
      }
      if (span.isOutput && span.end > lastOutput.end) {
        lastOutput = span;
      }
      if (span.end > lastAny.end) {
        lastAny = span;
      }
    }
  }
}

/**
 * Refuses regions that do not fit a session's inputs and outputs, before any address reaches native code.
 * @throws {BackendError} REGION_COUNT, REGION_DTYPE, REGION_SHAPE, REGION_BOUNDS, REGION_ALIGNMENT, REGION_OVERLAP
 */
export function checkRegions(
  session: { readonly inputs: readonly OrtValueSpec[]; readonly outputs: readonly OrtValueSpec[] },
  inputs: readonly MemoryRegion[],
  outputs: readonly MemoryRegion[],
  inPlace: ReadonlyMap<number, number> = new Map(),
): void {
  for (const [side, specs, regions] of [
    ["input", session.inputs, inputs],
    ["output", session.outputs, outputs],
  ] as const) {
    if (specs.length !== regions.length) {
      refuse(
        "REGION_COUNT",
        "onnxruntime.bind",
        `one region for each ${side}; the model has ${specs.length} (${specs.map((spec) => spec.name).join(", ")}), got ${regions.length}. Bind them all, in order.`,
      );
    }
    specs.forEach((spec, index) => {
      checkRegion(`onnxruntime.bind: ${side} "${spec.name}"`, spec, regions[index]!);
    });
  }
  checkOverlap(inputs, outputs, [...session.inputs, ...session.outputs], inPlace);
}

/**
 * Refuses to run over memory that was detached since it was bound: its address is no longer ours.
 * @throws {BackendError} REGION_DETACHED
 */
export function checkAttached(regions: readonly MemoryRegion[]): void {
  for (const region of regions) {
    if (region.buffer.byteLength < region.byteOffset + regionByteLength(region)) {
      refuse(
        "REGION_DETACHED",
        "onnxruntime.run",
        `a bound buffer was detached or shrunk; ${describe(region)} at byte ${region.byteOffset} of ${region.buffer.byteLength}. Keep bound buffers where they are.`,
      );
    }
  }
}
