import type { Backend, Buffer, Executable } from "../backend/backend.ts";
import type { Batch } from "../data/batch.ts";
import { batchSignature } from "../data/batch.ts";
import { tensorType } from "../ir/shape.ts";
import type { Module } from "../nn/module.ts";
import type { Objective } from "../objectives/objective.ts";
import { decompose } from "../tensor/decompose/decompose.ts";
import { type DTypePolicy, type LossGraph, traceLoss } from "./loss-graph.ts";
import type { ModelStore } from "./model-store.ts";

export interface GraphRunnerOptions<M extends Module> {
  readonly backend: Backend;
  readonly store: ModelStore;
  readonly model: M;
  readonly loss: Objective<never, M>["loss"];
  readonly policy: DTypePolicy;
  /** Parameters to differentiate; undefined to evaluate. */
  readonly trainable?: readonly string[];
}

interface Compiled {
  readonly traced: LossGraph;
  readonly executable: Executable;
  readonly batch: ReadonlyMap<string, Buffer>;
  readonly scales: ReadonlyMap<string, Buffer>;
  readonly figures: readonly Buffer[];
}

/** Sums of a run, by the names of the loss terms and metrics. */
export type FigureSums = Readonly<Record<string, number>>;

/** Runs one loss on batches of any shape: a graph is compiled when a shape is first seen, then kept. */
export class GraphRunner<M extends Module> {
  private readonly options: GraphRunnerOptions<M>;
  private readonly compiled = new Map<string, Promise<Compiled>>();
  private readonly randomKey: Buffer;

  constructor(options: GraphRunnerOptions<M>) {
    this.options = options;
    this.randomKey = options.backend.allocate(tensorType("u32", [2]));
  }

  private async compile(batch: Batch): Promise<Compiled> {
    const { backend, store, trainable } = this.options;
    const counts = Object.keys(batch.counts);
    const traced = traceLoss({
      ...this.options,
      parameters: store.parameters,
      batchTypes: Object.fromEntries(
        Object.entries(batch.tensors).map(([name, { dtype, shape }]) => [name, tensorType(dtype, shape)]),
      ),
      counts,
      ...(trainable === undefined ? {} : { trainable }),
    });
    const graph = decompose(traced.graph, (node) => backend.fuses(node));
    const executable = await backend.compile(graph);
    const allocate = (name: string, shape: readonly number[] = []): readonly [string, Buffer] => [
      name,
      backend.allocate(tensorType("f32", shape)),
    ];
    return {
      traced,
      executable,
      batch: new Map(Object.entries(batch.tensors).map(([name, type]) => [name, backend.allocate(type)])),
      scales: new Map(counts.map((name) => allocate(name))),
      figures: traced.figures.map(({ name }) => allocate(name)[1]),
    };
  }

  private for(batch: Batch): Promise<Compiled> {
    const signature = batchSignature(batch);
    const known = this.compiled.get(signature) ?? this.compile(batch);
    this.compiled.set(signature, known);
    return known;
  }

  /** What the loss terms and metrics are called and counted by. */
  async figuresOf(batch: Batch): Promise<LossGraph["figures"]> {
    return (await this.for(batch)).traced.figures;
  }

  /**
   * Runs a batch; gradients, if any, overwrite a section of the store.
   * @param totals the counts that sums are divided by in the loss: those of the whole optimizer step
   */
  async run(
    batch: Batch,
    facts: {
      readonly totals: Readonly<Record<string, number>>;
      readonly key: readonly [number, number];
      readonly section?: string;
    },
  ): Promise<FigureSums> {
    const { store, trainable = [] } = this.options;
    const compiled = await this.for(batch);
    for (const [name, { data }] of Object.entries(batch.tensors)) compiled.batch.get(name)!.write(data);
    for (const [name, buffer] of compiled.scales) {
      const total = facts.totals[name] ?? 0;
      buffer.write(new Float32Array([total === 0 ? 0 : 1 / total]));
    }
    this.randomKey.write(new Uint32Array(facts.key));
    const inputs = compiled.executable.graph.inputs.map(({ name }) => {
      const [kind, ...rest] = name.split(".");
      const key = rest.join(".");
      if (kind === "parameter") return store.buffer("value", key);
      if (kind === "batch") return compiled.batch.get(key)!;
      return kind === "scale" ? compiled.scales.get(key)! : this.randomKey;
    });
    const gradients = trainable.map((name) => store.buffer(facts.section ?? "gradient", name));
    await compiled.executable.run(inputs, [...gradients, ...compiled.figures]);
    const sums: Record<string, number> = {};
    for (const [i, { name }] of compiled.traced.figures.entries()) sums[name] = (await compiled.figures[i]!.read())[0]!;
    return sums;
  }

  async dispose(): Promise<void> {
    for (const pending of this.compiled.values()) {
      const { executable, batch, scales, figures } = await pending;
      await executable.dispose();
      for (const buffer of [...batch.values(), ...scales.values(), ...figures]) buffer.dispose();
    }
    this.compiled.clear();
    this.randomKey.dispose();
  }
}
