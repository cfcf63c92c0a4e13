/** @file Update rules over a store: each set of ranges is one program on the devices, whose sections are donated. */
import { BackendError } from "../../base/errors.ts";
import type { Shape } from "../../ir/shape.ts";
import { tensorType } from "../../ir/shape.ts";
import type { ParameterStore, Sweep, SweepProgram, SweepRange } from "../backend.ts";
import { checkSweepRanges } from "../sweep-range.ts";
import { XlaBuffer, type XlaMemory } from "./buffer.ts";
import { XlaExecutable } from "./executable.ts";
import type { ProgramCache } from "./program-cache.ts";
import { XlaStore } from "./store.ts";
import { inputName, outputName, SweepPlan, sumsName, sweptParameters, uniformsName } from "./sweep-graph.ts";

/** Sets of ranges whose programs are kept; a run that trains has one or two. */
const KEPT_PROGRAMS = 8;

function fail(code: string, message: string): never {
  throw new BackendError(message, { code, path: "sweep" });
}

/** A program for one set of ranges, and the buffers that it is run on beside the store. */
interface Compiled {
  readonly executable: XlaExecutable;
  readonly uniforms: XlaBuffer | undefined;
  readonly sums: XlaBuffer | undefined;
}

type Sums = Readonly<Record<string, number>>;

export class XlaSweep implements Sweep {
  private readonly memory: XlaMemory;
  private readonly cache: ProgramCache;
  private readonly plan: SweepPlan;
  private readonly compiled = new Map<string, Promise<Compiled>>();
  private tail: Promise<unknown> = Promise.resolve();
  private disposed: Promise<void> | undefined;

  /** @throws {BackendError} POINTWISE_UNSUPPORTED, POINTWISE_NOT_SCALAR, SWEEP_PROGRAM, SWEEP_DTYPE */
  constructor(memory: XlaMemory, cache: ProgramCache, program: SweepProgram) {
    this.memory = memory;
    this.cache = cache;
    this.plan = new SweepPlan(program);
  }

  async run(store: ParameterStore, ranges: readonly SweepRange[]): Promise<Sums> {
    const each = await this.runEach(store, ranges);
    return Object.fromEntries(
      this.plan.sums.map((name) => [name, each.reduce((total, sums) => total + sums[name]!, 0)]),
    );
  }

  async runEach(store: ParameterStore, ranges: readonly SweepRange[]): Promise<readonly Sums[]> {
    if (this.disposed !== undefined) fail("SWEEP_DISPOSED", "the sweep was disposed and is run again.");
    if (!(store instanceof XlaStore)) fail("SWEEP_STORE", "the store belongs to another engine.");
    for (const section of [...this.plan.reads, ...this.plan.writes]) store.requireSection(section);
    checkSweepRanges(ranges, {
      parameters: store.types.length,
      scalars: this.plan.scalars,
      writes: this.plan.writes.length > 0,
    });
    const turn = this.tail.then(() => this.execute(store, ranges));
    this.tail = turn.catch(() => undefined);
    return turn;
  }

  private async execute(store: XlaStore, ranges: readonly SweepRange[]): Promise<readonly Sums[]> {
    const { plan } = this;
    const shapes = store.types.map(({ shape }) => shape);
    const none = (): Sums => Object.fromEntries(plan.sums.map((name) => [name, 0]));
    if (sweptParameters(shapes, ranges).length === 0) return ranges.map(none);
    const { executable, uniforms, sums } = await this.programFor(shapes, ranges);
    uniforms?.write(Float32Array.from(ranges.flatMap(({ scalars }) => plan.uniforms(scalars))));
    const place = (name: string, isInput: boolean): XlaBuffer => {
      if (name === uniformsName) return uniforms!;
      if (name === sumsName) return sums!;
      const [section, index] = splitName(isInput ? name : name.slice(name.indexOf(".") + 1));
      return store.buffer(section, index);
    };
    await executable.run(
      executable.graph.inputs.map(({ name }) => place(name, true)),
      executable.graph.outputs.map(({ name }) => place(name, false)),
    );
    if (sums === undefined) return ranges.map(none);
    const totals = await sums.read();
    const width = plan.sums.length;
    return ranges.map((_, r) => Object.fromEntries(plan.sums.map((name, s) => [name, totals[r * width + s]!])));
  }

  private async programFor(shapes: readonly Shape[], ranges: readonly SweepRange[]): Promise<Compiled> {
    const key = JSON.stringify([ranges.map(({ first, last }) => [first, last]), shapes]);
    const found = this.compiled.get(key) ?? this.compile(shapes, ranges);
    this.compiled.delete(key);
    this.compiled.set(key, found);
    for (const [oldest, program] of this.compiled) {
      if (this.compiled.size <= KEPT_PROGRAMS) break;
      this.compiled.delete(oldest);
      await free(program);
    }
    try {
      return await found;
    } catch (error) {
      this.compiled.delete(key);
      throw error;
    }
  }

  private async compile(shapes: readonly Shape[], ranges: readonly SweepRange[]): Promise<Compiled> {
    const graph = this.plan.graph(shapes, ranges);
    const read = new Set(graph.inputs.map(({ name }) => name));
    const donations = new Map<string, string>();
    for (const index of sweptParameters(shapes, ranges)) {
      for (const section of this.plan.writes) {
        const name = inputName(section, index);
        if (read.has(name)) donations.set(name, outputName(section, index));
      }
    }
    const cached = await this.cache.hold(graph, { donations });
    const buffer = (values: typeof graph.inputs, wanted: string): XlaBuffer | undefined => {
      const value = values.find(({ name }) => name === wanted)?.value;
      return value && new XlaBuffer(this.memory, tensorType(value.dtype, value.shape));
    };
    return {
      executable: new XlaExecutable(this.memory.executor, graph, cached, donations, () => undefined),
      uniforms: buffer(graph.inputs, uniformsName),
      sums: buffer(graph.outputs, sumsName),
    };
  }

  dispose(): Promise<void> {
    this.disposed ??= this.release();
    return this.disposed;
  }

  private async release(): Promise<void> {
    await this.tail;
    for (const program of this.compiled.values()) await free(program);
    this.compiled.clear();
  }
}

async function free(program: Promise<Compiled>): Promise<void> {
  // What failed to compile was told to the run that asked for it.
  const compiled = await program.catch(() => undefined);
  await compiled?.executable.dispose();
  compiled?.uniforms?.dispose();
  compiled?.sums?.dispose();
}

/** Section and parameter of an input's name. */
function splitName(name: string): readonly [section: string, index: number] {
  const at = name.lastIndexOf(".");
  return [name.slice(0, at), Number(name.slice(at + 1))];
}
