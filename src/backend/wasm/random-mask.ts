/** @file Dropout masks and keys on the host, bit for bit as the graph language defines them. */
import { BackendError } from "../../base/errors.ts";
import { mix32 } from "../../base/random.ts";
import { GraphBuilder } from "../../ir/builder.ts";
import type { Value } from "../../ir/graph.ts";
import { formatType, sizeOf } from "../../ir/shape.ts";
import { compilePointwise, type Kernel } from "./compile-pointwise.ts";
import type { MemoryBuffer } from "./memory.ts";
import { type KernelTeam, type Piece, pieceElements } from "./team.ts";

/** A random key, u32[2]. */
export type Key = readonly [number, number];

/** The key for `data` below a key: composite `foldIn` on the host. */
export function foldIn(key: Key, data: number): Key {
  const d = data >>> 0;
  return [mix32((key[0] + mix32((d + 0x9e3779b9) >>> 0)) >>> 0), mix32((key[1] ^ mix32((d ^ 0x85ebca6b) >>> 0)) >>> 0)];
}

/** Primitive `randomBits` at one row-major element index. */
export function randomBitsAt(key: Key, index: number): number {
  return mix32((mix32((index + key[0]) >>> 0) ^ key[1]) >>> 0);
}

/** Composite `dropoutMask` to be written into a buffer whose shape it takes. */
export interface MaskFill {
  /** f32: 0 or 1/(1 − rate); bool: whether the element is kept. */
  readonly target: MemoryBuffer;
  readonly key: Key;
  readonly rate: number;
}

/** The mask of one element as a graph of scalars; `kind` says how a kept element is written. */
function maskProgram(kind: "f32" | "bool"): Kernel {
  const b = new GraphBuilder(`dropoutMask.${kind}`);
  const [index, key0, key1, threshold] = ["index", "key0", "key1", "threshold"].map((name) =>
    b.input(name, "u32", []),
  ) as [Value, Value, Value, Value];
  const scale = b.input("scale", "f32", []);
  const u32 = (x: number) => b.emit("constant", [], { dtype: "u32", shape: [], data: Uint32Array.of(x) })[0]!;
  const apply = (op: "add" | "mul" | "xor" | "shiftRight", x: Value, y: Value) => b.emit(op, [x, y], {})[0]!;
  const shifted = (x: Value, bits: number) => apply("xor", x, apply("shiftRight", x, u32(bits)));
  const mix = (x: Value) => {
    const once = apply("mul", shifted(x, 16), u32(0x7feb352d));
    return shifted(apply("mul", shifted(once, 15), u32(0x846ca68b)), 16);
  };
  const bits = mix(apply("xor", mix(apply("add", index, key0)), key1));
  const kept = b.emit("compare", [bits, threshold], { direction: "ge" })[0]!;
  const value =
    kind === "bool" ? kept : b.emit("mul", [b.emit("convert", [kept], { dtype: "f32" })[0]!, scale], {})[0]!;
  return compilePointwise({
    graph: b.finish([{ name: "mask", value }]),
    inputs: [
      { kind: "index" },
      ...["key0", "key1", "threshold", "scale"].map((name) => ({ kind: "scalar" as const, name })),
    ],
    outputs: [{ kind: "memory", pointer: 0 }],
  });
}

/** Writes dropout masks, several in one pass over all threads. */
export class MaskWriter {
  private readonly team: KernelTeam;
  private readonly kernels: { readonly f32: Kernel; readonly bool: Kernel };

  constructor(team: KernelTeam) {
    this.team = team;
    this.kernels = { f32: maskProgram("f32"), bool: maskProgram("bool") };
  }

  /**
   * Writes all masks; the caller's thread is free meanwhile.
   * @throws {BackendError} MASK_DTYPE or MASK_RATE
   */
  async fill(masks: readonly MaskFill[]): Promise<void> {
    const pieces = { f32: [] as Piece[], bool: [] as Piece[] };
    for (const mask of masks) {
      const { target, rate } = mask;
      if (target.dtype !== "f32" && target.dtype !== "bool") {
        throw new BackendError(`a mask is f32 or bool; the target is ${formatType(target)}.`, {
          code: "MASK_DTYPE",
          path: "dropoutMask",
        });
      }
      if (!(rate >= 0 && rate < 1)) {
        throw new BackendError(`the rate must lie in [0, 1); got ${rate}.`, { code: "MASK_RATE", path: "dropoutMask" });
      }
      pieces[target.dtype].push(...this.piecesOf(mask, target.dtype));
    }
    for (const kind of ["f32", "bool"] as const) {
      if (pieces[kind].length > 0) await this.team.run(this.kernels[kind], pieces[kind]);
    }
  }

  private piecesOf({ target, key, rate }: MaskFill, kind: "f32" | "bool"): Piece[] {
    const uniforms = this.kernels[kind].uniforms({
      key0: key[0],
      key1: key[1],
      threshold: Math.floor(rate * 2 ** 32),
      scale: 1 / (1 - rate),
    });
    const { memory, byteOffset } = target.region;
    const elementBytes = kind === "f32" ? 4 : 1;
    const size = sizeOf(target.shape);
    const pieces: Piece[] = [];
    for (let index = 0; index < size; index += pieceElements) {
      const count = Math.min(pieceElements, size - index);
      pieces.push({ memory, count, index, pointers: [byteOffset + elementBytes * index], uniforms });
    }
    return pieces;
  }
}
