/** @file Copies of runs of elements between arrays, several at once: on the host, or as a program on the devices. */
import { GraphBuilder } from "../../ir/builder.ts";
import type { HostData, TensorType } from "../../ir/dtype.ts";
import type { CompareDirection, Graph, Value } from "../../ir/graph.ts";
import { sizeOf, tensorType } from "../../ir/shape.ts";
import type { ElementRuns } from "../backend.ts";
import { copyRuns } from "../copy-runs.ts";
import { type Content, type PlacedType, plainType } from "./content.ts";
import type { DeviceArray, XlaExecutor } from "./executor.ts";
import type { CachedProgram, ProgramCache } from "./program-cache.ts";

/** A copy that was asked for and is made when somebody looks. */
export interface PendingCopy {
  /** Undefined where a tensor copies within itself. */
  readonly source: Content | undefined;
  readonly runs: ElementRuns;
}

/** Makes copies in order: what a tensor is after them. Nothing is let go of. */
export type MakeCopies = (type: PlacedType, base: Content, copies: readonly PendingCopy[]) => Promise<DeviceArray>;

/** Where host memory is the devices' memory, typed arrays copy faster than any program. */
export function hostCopies(executor: XlaExecutor): MakeCopies {
  return async (type, base, copies) => {
    const sources = new Map<Content, HostData>();
    const elements = await base.read();
    for (const { source } of copies) {
      if (source !== undefined && !sources.has(source)) sources.set(source, await source.read());
    }
    for (const { source, runs } of copies) {
      const read = source === undefined ? { type, elements } : { type: source.type, elements: sources.get(source)! };
      copyRuns({ type, elements }, read, runs);
    }
    return executor.upload(elements, plainType(type), type.sharding);
  };
}

/** Numbers by which a program is told of one copy: from, to, length, count, and the strides. */
const NUMBERS = 6;
/** Programs that are kept; a cache of keys and values needs two or three. */
const KEPT_PROGRAMS = 16;
const NOTHING = [0, 0, 0, 0, 0, 1];

function numbersOf({ from, to, length, count = 1, fromStride = length, toStride = length }: ElementRuns): number[] {
  return length === 0 || count === 0 ? NOTHING : [from, to, length, count, fromStride, toStride];
}

/** Whether an element of the target lies in at most one run, which is how the program finds it. */
function isPlain({ length, count = 1, toStride = length }: ElementRuns): boolean {
  return count <= 1 || length === 0 || toStride >= length;
}

/**
 * A tensor after `count` copies from one source: every element looks for the runs that it lies in.
 * @param source undefined for copies within the tensor
 */
function copyGraph(target: TensorType, source: TensorType | undefined, count: number): Graph {
  const builder = new GraphBuilder("copy");
  const size = sizeOf(target.shape);
  const emit = (...given: Parameters<GraphBuilder["emit"]>): Value => builder.emit(...given)[0]!;
  const flat = (value: Value): Value => emit("reshape", [value], { shape: [sizeOf(value.shape)] });
  const old = flat(builder.input("target", target.dtype, target.shape));
  const read = source && flat(builder.input("source", source.dtype, source.shape));
  const numbers = builder.input("numbers", "i32", [NUMBERS * count]);
  const places = emit("iota", [], { dtype: "i32", shape: [size], axis: 0 });
  const spread = (at: number): Value => {
    const piece = emit("slice", [numbers], { starts: [at], limits: [at + 1], strides: [1] });
    return emit("broadcast", [emit("reshape", [piece], { shape: [] })], { shape: [size], dims: [] });
  };
  const holds = (direction: CompareDirection, a: Value, b: Value): Value => emit("compare", [a, b], { direction });
  const zero = emit("broadcast", [emit("constant", [], { dtype: "i32", shape: [], data: Int32Array.of(0) })], {
    ...{ shape: [size], dims: [] },
  });
  let result = old;
  for (let i = 0; i < count; i++) {
    const [from, to, length, runs, fromStride, toStride] = Array.from({ length: NUMBERS }, (_, n) =>
      spread(NUMBERS * i + n),
    ) as [Value, Value, Value, Value, Value, Value];
    const offset = emit("sub", [places, to], {});
    const run = emit("div", [offset, toStride], {});
    const within = emit("sub", [offset, emit("mul", [run, toStride], {})], {});
    const conditions = [holds("ge", offset, zero), holds("lt", run, runs), holds("lt", within, length)];
    const isCopied = conditions.reduce((all, one) => emit("and", [all, one], {}));
    const place = emit("add", [emit("add", [from, emit("mul", [run, fromStride], {})], {}), within], {});
    const index = emit("select", [isCopied, place, zero], {});
    const found = emit("gather", [read ?? result, index], { axis: 0 });
    result = emit("select", [isCopied, found, result], {});
  }
  return builder.finish([{ name: "next", value: emit("reshape", [result], { shape: target.shape }) }]);
}

/** Neighbouring copies from one source; as one program they are made at once. */
function groups(copies: readonly PendingCopy[]): (readonly PendingCopy[])[] {
  const found: PendingCopy[][] = [];
  for (const copy of copies) {
    const last = found.at(-1);
    if (last !== undefined && last[0]!.source === copy.source) last.push(copy);
    else found.push([copy]);
  }
  return found;
}

/** Where the devices have memory of their own, the elements stay there. */
export function deviceCopies(executor: XlaExecutor, cache: ProgramCache): MakeCopies {
  const onHost = hostCopies(executor);
  const programs = new Map<string, Promise<CachedProgram>>();
  const programFor = async (target: TensorType, source: TensorType | undefined, count: number) => {
    const key = JSON.stringify([plainType(target), source && plainType(source), count]);
    const found = programs.get(key) ?? cache.hold(copyGraph(target, source, count));
    programs.delete(key);
    programs.set(key, found);
    for (const [oldest, program] of programs) {
      if (programs.size <= KEPT_PROGRAMS) break;
      programs.delete(oldest);
      await (await program).release();
    }
    return found;
  };
  return async (type, base, copies) => {
    const isDense = [type, ...copies.flatMap(({ source }) => source?.type ?? [])].every(
      ({ shape, sharding }) => sharding === "replicated" && sizeOf(shape) > 0 && sizeOf(shape) < 2 ** 31,
    );
    if (!isDense || !copies.every(({ runs }) => isPlain(runs))) return onHost(type, base, copies);
    let current = await base.array();
    const made: DeviceArray[] = [];
    for (const group of groups(copies)) {
      const { source } = group[0]!;
      // Few programs: as many copies as the next power of two, the last ones of nothing.
      const count = 2 ** Math.ceil(Math.log2(group.length));
      const program = await programFor(type, source?.type, count);
      const numbers = new Int32Array(NUMBERS * count);
      for (let i = 0; i < count; i++)
        numbers.set(group[i] === undefined ? NOTHING : numbersOf(group[i]!.runs), NUMBERS * i);
      const given = executor.upload(numbers, tensorType("i32", [numbers.length]));
      const inputs = [current, ...(source === undefined ? [] : [await source.array()]), given];
      [current] = (await program.executable.run(inputs)) as [DeviceArray];
      given.dispose();
      made.push(current);
    }
    for (const array of made.slice(0, -1)) array.dispose();
    return current;
  };
}
