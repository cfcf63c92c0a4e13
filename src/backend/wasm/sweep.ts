/** @file Maps a pointwise program over the parameters of a store. */
import { BackendError } from "../../base/errors.ts";
import { formatType, sizeOf } from "../../ir/shape.ts";
import type { ParameterStore, Sweep, SweepProgram, SweepRange } from "../backend.ts";
import { checkSweepRanges } from "../sweep-range.ts";
import { compilePointwise, type Kernel, type PointwiseInput, type PointwiseOutput } from "./compile-pointwise.ts";
import { MemoryStore } from "./store.ts";
import { type KernelTeam, type Piece, pieceElements } from "./team.ts";

function fail(code: string, message: string): never {
  throw new BackendError(message, { code, path: "sweep" });
}

/** Adds the sums of pieces, one group after the other. */
function addPieces(totals: Float64Array, pieces: Float64Array): void {
  for (let i = 0; i < pieces.length; i++) totals[i % totals.length]! += pieces[i]!;
}

class MemorySweep implements Sweep {
  private readonly kernel: Kernel;
  private readonly team: KernelTeam;
  /** The section behind every pointer of the kernel. */
  private readonly sections: readonly string[];
  private readonly writes: boolean;
  private disposed = false;

  constructor(kernel: Kernel, sections: readonly string[], writes: boolean, team: KernelTeam) {
    this.kernel = kernel;
    this.sections = sections;
    this.writes = writes;
    this.team = team;
  }

  async run(store: ParameterStore, ranges: readonly SweepRange[]): Promise<Readonly<Record<string, number>>> {
    const parts = await this.runPieces(store, ranges);
    const totals = new Float64Array(this.kernel.sums.length);
    // Piece after piece, whoever computed it: the same total for any number of threads.
    for (const part of parts) addPieces(totals, part);
    return this.named(totals);
  }

  async runEach(
    store: ParameterStore,
    ranges: readonly SweepRange[],
  ): Promise<readonly Readonly<Record<string, number>>[]> {
    const parts = await this.runPieces(store, ranges);
    return parts.map((part) => {
      const totals = new Float64Array(this.kernel.sums.length);
      addPieces(totals, part);
      return this.named(totals);
    });
  }

  private named(totals: Float64Array): Readonly<Record<string, number>> {
    return Object.fromEntries(this.kernel.sums.map((name, s) => [name, totals[s]!]));
  }

  /** Runs all ranges as one piece of work; gives the sums of every range's pieces. */
  private async runPieces(store: ParameterStore, ranges: readonly SweepRange[]): Promise<Float64Array[]> {
    if (this.disposed) fail("SWEEP_DISPOSED", "the sweep was disposed and is run again.");
    if (!(store instanceof MemoryStore)) fail("SWEEP_STORE", "the store belongs to another engine.");
    for (const section of this.sections) store.requireSection(section);
    checkSweepRanges(ranges, { parameters: store.types.length, scalars: this.kernel.scalars, writes: this.writes });
    const pieces = ranges.map((range) => this.piecesOf(store, range));
    const partial = await this.team.run(this.kernel, pieces.flat());
    let done = 0;
    return pieces.map(({ length }) => {
      const begin = done;
      done += length * this.kernel.sums.length;
      return partial.subarray(begin, done);
    });
  }

  private piecesOf(store: MemoryStore, { first, last, scalars }: SweepRange): Piece[] {
    const uniforms = this.kernel.uniforms(scalars);
    const pieces: Piece[] = [];
    for (let i = first; i < last; i++) {
      const { memory, sectionOffsets } = store.part(i);
      const starts = this.sections.map((section) => sectionOffsets.get(section)! + store.offsets[i]!);
      const size = sizeOf(store.types[i]!.shape);
      for (let index = 0; index < size; index += pieceElements) {
        const count = Math.min(pieceElements, size - index);
        pieces.push({ memory, count, index, pointers: starts.map((start) => start + 4 * index), uniforms });
      }
    }
    return pieces;
  }

  async dispose(): Promise<void> {
    this.disposed = true;
  }
}

/**
 * Compiles a sweep for stores in shared memory.
 * Expressions of run-time scalars and constants alone are evaluated once a range, in doubles, and rounded once.
 * @throws {BackendError} POINTWISE_UNSUPPORTED naming a node without a vector form
 */
export function compileSweep(program: SweepProgram, team: KernelTeam): Sweep {
  const { graph } = program;
  if (program.inputs.length !== graph.inputs.length || program.outputs.length !== graph.outputs.length) {
    fail(
      "SWEEP_PROGRAM",
      `"${graph.name}" has ${graph.inputs.length} inputs and ${graph.outputs.length} outputs; the program names ${program.inputs.length} and ${program.outputs.length}.`,
    );
  }
  const sections: string[] = [];
  const pointerOf = (section: string): number => {
    if (!sections.includes(section)) sections.push(section);
    return sections.indexOf(section);
  };
  const requireF32 = (section: string, value: { readonly dtype: string }, text: string) => {
    if (value.dtype !== "f32") fail("SWEEP_DTYPE", `section "${section}" is f32, but the graph has ${text}.`);
  };
  const inputs = program.inputs.map((input, i): PointwiseInput => {
    if ("scalar" in input) return { kind: "scalar", name: input.scalar };
    const { value } = graph.inputs[i]!;
    requireF32(input.section, value, formatType(value));
    return { kind: "memory", pointer: pointerOf(input.section) };
  });
  const written = new Set<string>();
  const outputs = program.outputs.map((output, i): PointwiseOutput => {
    if ("sum" in output) return { kind: "sum", name: output.sum };
    const { value } = graph.outputs[i]!;
    requireF32(output.section, value, formatType(value));
    if (written.has(output.section)) fail("SWEEP_PROGRAM", `section "${output.section}" is written twice.`);
    written.add(output.section);
    return { kind: "memory", pointer: pointerOf(output.section) };
  });
  return new MemorySweep(compilePointwise({ graph, inputs, outputs }), sections, written.size > 0, team);
}
