import type { Backend, Buffer, Executable } from "../backend/backend.ts";
import { internalError } from "../base/errors.ts";
import type { HostData } from "../ir/dtype.ts";
import type { Graph } from "../ir/graph.ts";
import { optimize } from "../ir/pass/optimize.ts";
import { tensorType } from "../ir/shape.ts";
import { decompose } from "../tensor/decompose/decompose.ts";
import type { ParameterSource } from "../train/fixed-weights.ts";
import type { DTypePolicy } from "../train/forward-graph.ts";
import { cacheNames, type FeedShape, feedTypes, traceFeed } from "./feed.ts";
import type { CacheLayout } from "./key-value-cache.ts";
import type { WritingNetwork } from "./network.ts";

/** Compiled graphs that are kept; the one used longest ago goes first. */
const KEPT_GRAPHS = 24;

export interface FeedProgramOptions {
  readonly backend: Backend;
  readonly store: ParameterSource;
  readonly network: WritingNetwork;
  readonly policy: DTypePolicy;
}

/** What a feed gives; the buffers hold it until the next feed of the same shape. */
export interface FeedResult {
  /** `[R, V]`. */
  readonly logits: Float32Array;
  /** Keys and values of the tokens fed, in the order of `KeyValueCache.buffers`. */
  readonly fresh: readonly Buffer[];
  /** Of the source, where it was encoded. */
  readonly freshSource: readonly Buffer[];
}

/** Keys and values of former feeds, in the order of `KeyValueCache.buffers`. */
export interface KeptBuffers {
  readonly past: readonly Buffer[];
  readonly source: readonly Buffer[];
}

interface Compiled {
  readonly executable: Executable;
  readonly inputs: ReadonlyMap<string, Buffer>;
  readonly outputs: ReadonlyMap<string, Buffer>;
}

/** A network's feeds of any shape: a graph is compiled when a shape is first seen, then kept. */
export class FeedProgram {
  readonly network: WritingNetwork;
  readonly backend: Backend;
  private readonly options: FeedProgramOptions;
  private readonly compiled = new Map<string, Promise<Compiled>>();
  private known: CacheLayout | undefined;

  constructor(options: FeedProgramOptions) {
    this.options = options;
    this.network = options.network;
    this.backend = options.backend;
  }

  /** What kept keys and values look like; known after the first feed. */
  get layout(): CacheLayout {
    if (this.known === undefined) throw internalError("nothing was fed yet");
    return this.known;
  }

  private graph(shape: FeedShape): Graph {
    const { backend, store, network, policy } = this.options;
    const traced = traceFeed(shape, {
      network,
      parameters: store.parameters,
      quantized: store.quantized ?? new Set(),
      weightDtype: store.dtype ?? "f32",
      policy,
      cacheType: (rows, capacity) => {
        const { dtype, numHeads, headSize } = this.layout;
        return tensorType(dtype, [rows, numHeads, capacity, headSize]);
      },
    });
    if (this.known === undefined) {
      const { value } = traced.outputs.find(({ name }) => name === "fresh.0.key")!;
      const [, numHeads, , headSize] = value.shape as [number, number, number, number];
      this.known = { dtype: value.dtype, numLayers: network.numLayers, numHeads, headSize };
    }
    return optimize(decompose(traced, (node) => backend.fuses(node)));
  }

  private async compile(shape: FeedShape): Promise<Compiled> {
    const { backend, store } = this.options;
    const graph = this.graph(shape);
    const own = feedTypes(shape);
    return {
      executable: await backend.compile(graph, { fixed: store.fixedFor?.(shape.rows * shape.width) }),
      inputs: new Map(Object.entries(own).map(([name, type]) => [name, backend.allocate(type)])),
      outputs: new Map(graph.outputs.map(({ name, value }) => [name, backend.allocate(value)])),
    };
  }

  private async compiledFor(shape: FeedShape): Promise<Compiled> {
    const key = JSON.stringify(shape);
    const pending = this.compiled.get(key) ?? this.compile(shape);
    this.compiled.delete(key);
    this.compiled.set(key, pending);
    // Awaited first: what cannot be compiled must not fail unheard while others are released.
    const compiled = await pending;
    for (const oldest of this.compiled.keys()) {
      if (this.compiled.size <= KEPT_GRAPHS) break;
      await this.release(oldest);
    }
    return compiled;
  }

  /** @param tensors the numbers of `feedTypes`, by name */
  async run(shape: FeedShape, tensors: Readonly<Record<string, HostData>>, kept: KeptBuffers): Promise<FeedResult> {
    const { store, network } = this.options;
    const { executable, inputs, outputs } = await this.compiledFor(shape);
    for (const [name, buffer] of inputs) {
      const data = tensors[name];
      if (data === undefined) throw internalError(`the feed's input "${name}" is not given`);
      buffer.write(data);
    }
    const held = new Map<string, Buffer>();
    for (const group of ["past", "source"] as const) {
      for (const [i, name] of cacheNames(group, network.numLayers).entries()) {
        const buffer = kept[group][i];
        if (buffer !== undefined) held.set(name, buffer);
      }
    }
    await executable.run(
      executable.graph.inputs.map(
        ({ name }) => inputs.get(name) ?? held.get(name) ?? store.buffer("value", name.slice("parameter.".length)),
      ),
      executable.graph.outputs.map(({ name }) => outputs.get(name)!),
    );
    const group = (name: "fresh" | "freshSource") =>
      cacheNames(name, network.numLayers).flatMap((key) => outputs.get(key) ?? []);
    return {
      logits: (await outputs.get("logits")!.read()) as Float32Array,
      fresh: group("fresh"),
      freshSource: group("freshSource"),
    };
  }

  private async release(key: string): Promise<void> {
    const pending = this.compiled.get(key);
    this.compiled.delete(key);
    // What failed to compile was told to the feed that asked for it.
    const compiled = await pending?.catch(() => undefined);
    if (compiled === undefined) return;
    await compiled.executable.dispose();
    for (const buffer of [...compiled.inputs.values(), ...compiled.outputs.values()]) buffer.dispose();
  }

  async dispose(): Promise<void> {
    for (const key of [...this.compiled.keys()]) await this.release(key);
  }
}
