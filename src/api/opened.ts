/** @file What opens a model in an engine: it is used until it is disposed, once. */
import type { Backend } from "../backend/backend.ts";
import { FirthError } from "../base/errors.ts";
import type { ComputeDType } from "../ir/dtype.ts";
import type { Module } from "../nn/module.ts";
import type { Weights } from "../nn/weights.ts";
import { borrowEngine, type GivenEngine } from "../runtime.ts";
import { FixedWeights, type Quantize, quantizeNotice } from "../train/fixed-weights.ts";
import type { DTypePolicy } from "../train/forward-graph.ts";

/** How a model is put into an engine. */
export interface OpenOptions {
  readonly engine?: GivenEngine | undefined;
  /** What activations and matrix products are computed in; `f32` by default. */
  readonly dtype?: ComputeDType | undefined;
  /** `int8`: linear layers in 8 bits, faster, with slightly different scores; `none` by default. */
  readonly quantize?: Quantize | undefined;
  /** Is told what a user should know before the first result. */
  readonly onNotice?: ((message: string) => void) | undefined;
}

/** Where the weights of an opened model lie, and how it computes. */
export interface OpenedPlace {
  readonly backend: Backend;
  readonly store: FixedWeights;
  readonly policy: DTypePolicy;
}

/** A model's weights in an engine, with a program over them. */
export interface Opened<P> {
  readonly program: P;
  /** Bytes of the weights in the engine, copies that its kernels make not counted. */
  readonly weightBytes: number;
  /** @throws {FirthError} DISPOSED */
  check(): void;
  /** Frees the program, the weights and an engine of one's own; further calls do nothing but wait for that. */
  dispose(): Promise<void>;
}

/** Undoes what was opened, the last first, each whatever becomes of the others. */
async function undo(steps: (() => unknown)[]): Promise<void> {
  const step = steps.pop();
  if (step === undefined) return;
  try {
    await step();
  } finally {
    await undo(steps);
  }
}

/**
 * Puts a model into an engine. Where that fails, nothing stays behind.
 * @param what is opened, as messages call it
 * @param programOf makes the program that runs over the weights
 */
export async function openModel<P extends { dispose(): Promise<void> }>(
  what: string,
  { module, weights }: { readonly module: Module; readonly weights: Weights },
  { engine, dtype = "f32", quantize = "none", onNotice }: OpenOptions,
  programOf: (place: OpenedPlace) => P | Promise<P>,
): Promise<Opened<P>> {
  const { backend, release } = await borrowEngine(engine, dtype);
  const opened: (() => unknown)[] = [release];
  try {
    const notice = quantizeNotice(backend, quantize);
    if (notice !== undefined) onNotice?.(notice);
    const store = new FixedWeights(backend, module, weights, quantize, dtype);
    opened.push(() => store.dispose());
    const program = await programOf({ backend, store, policy: { compute: dtype } });
    opened.push(() => program.dispose());
    let disposed: Promise<void> | undefined;
    return {
      program,
      weightBytes: store.bytes,
      check: () => {
        if (disposed === undefined) return;
        throw new FirthError(`the ${what} was disposed. Open another.`, { code: "DISPOSED", path: what });
      },
      dispose: () => {
        disposed ??= undo(opened);
        return disposed;
      },
    };
  } catch (cause) {
    await undo(opened);
    throw cause;
  }
}
