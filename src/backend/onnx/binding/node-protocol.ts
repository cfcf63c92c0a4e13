import type { OnnxElementType } from "../proto/element-type.ts";
import type { OrtSessionOptions, OrtValueSpec } from "./binding.ts";

/** A region as the worker sees it: shared memory directly, other memory through transferred copies. */
export interface RegionMessage {
  readonly dtype: OnnxElementType;
  readonly shape: readonly number[];
  readonly byteLength: number;
  readonly shared: { readonly buffer: SharedArrayBuffer; readonly byteOffset: number } | null;
}

/** What the main thread asks of the worker; handled strictly one after another. */
export type WorkerRequest =
  | { readonly op: "open" }
  | { readonly op: "create"; readonly model: Uint8Array; readonly options: OrtSessionOptions }
  | {
      readonly op: "bind";
      readonly session: number;
      /** Chosen by the main thread, which does not wait for the answer. */
      readonly run: number;
      readonly inputs: readonly RegionMessage[];
      readonly outputs: readonly RegionMessage[];
    }
  /** `inputs` holds a copy for every region that is not shared. */
  | { readonly op: "run"; readonly run: number; readonly inputs: readonly (ArrayBuffer | null)[] }
  | { readonly op: "unbind"; readonly run: number }
  | { readonly op: "release"; readonly session: number }
  | { readonly op: "close" };

/** What each request answers on success. */
export interface WorkerResults {
  open: { readonly version: string; readonly providers: readonly string[] };
  create: {
    readonly session: number;
    readonly inputs: readonly OrtValueSpec[];
    readonly outputs: readonly OrtValueSpec[];
  };
  bind: null;
  /** A buffer for every output region that is not shared. */
  run: readonly (ArrayBuffer | null)[];
  unbind: null;
  release: null;
  close: null;
}

export type WorkerRequestMessage = WorkerRequest & { readonly id: number };

export type WorkerResponse =
  | { readonly id: number; readonly ok: true; readonly value: WorkerResults[keyof WorkerResults] }
  | { readonly id: number; readonly ok: false; readonly message: string };
