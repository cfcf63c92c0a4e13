/** @file Programs by the graphs that they were made of: a graph that is compiled twice is one program. */
import type { Graph } from "../../ir/graph.ts";
import type { XlaExecutable, XlaExecutor } from "./executor.ts";
import type { LoweredModule, LowerOptions, LowerToStableHlo } from "./lower/module.ts";

/** A program, for as long as somebody holds it. */
export interface CachedProgram {
  readonly module: Omit<LoweredModule, "text">;
  readonly executable: XlaExecutable;
  /** Lets go; the program is freed with the last holder. */
  release(): Promise<void>;
}

/** A program that is there or being made, and what finds it. */
class Entry {
  readonly module: Omit<LoweredModule, "text">;
  readonly executable: Promise<XlaExecutable>;
  holders = 0;

  constructor(executor: XlaExecutor, lowered: LoweredModule) {
    // The text is long, and of no use once it is compiled.
    const { text: _, ...module } = lowered;
    this.module = module;
    this.executable = executor.compile(lowered);
  }

  async free(): Promise<void> {
    // What failed to compile was told to whoever asked for it.
    await (await this.executable.catch(() => undefined))?.dispose();
  }
}

/** What a choice is told by. */
function keyOf({ donations, partitioning }: LowerOptions): string {
  const { partitions = 1, inputs, outputs } = partitioning ?? {};
  return JSON.stringify([[...(donations ?? [])], partitions, [...(inputs ?? [])], [...(outputs ?? [])]]);
}

export class ProgramCache {
  private readonly executor: XlaExecutor;
  private readonly lower: LowerToStableHlo;
  private readonly byGraph = new WeakMap<Graph, Map<string, Entry>>();
  private readonly held = new Set<Entry>();

  constructor(executor: XlaExecutor, lower: LowerToStableHlo) {
    this.executor = executor;
    this.lower = lower;
  }

  /** @throws {BackendError} UNSUPPORTED_NODE naming the node; XLA_COMPILE_FAILED with the compiler's words */
  async hold(graph: Graph, options: LowerOptions = {}): Promise<CachedProgram> {
    const entries = this.byGraph.get(graph) ?? new Map<string, Entry>();
    this.byGraph.set(graph, entries);
    const key = keyOf(options);
    const { customCalls, partitioner } = this.executor.facts;
    const entry =
      entries.get(key) ?? new Entry(this.executor, this.lower(graph, { customCalls, partitioner, ...options }));
    entries.set(key, entry);
    this.held.add(entry);
    entry.holders++;
    const release = async (): Promise<void> => {
      if (--entry.holders > 0) return;
      if (entries.get(key) === entry) entries.delete(key);
      if (this.held.delete(entry)) await entry.free();
    };
    try {
      return { module: entry.module, executable: await entry.executable, release };
    } catch (error) {
      await release();
      throw error;
    }
  }

  /** Frees what is still held; nothing may run. */
  async dispose(): Promise<void> {
    const rest = [...this.held];
    this.held.clear();
    for (const entry of rest) await entry.free();
  }
}
