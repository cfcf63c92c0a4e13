/** @file Where the gradients of a step's parts lie, and how they become one: always summed in the same order. */
import type { Backend, ParameterStore, Sweep, SweepRange } from "../backend/backend.ts";
import { internalError } from "../base/errors.ts";
import { accumulateProgram, clearProgram, squaredNormProgram, summedNormProgram } from "../optim/update-rule.ts";

/** The gradient of the second lane. */
export const LANE_SECTION = "laneGradient";
/** The gradient of a further part, where graphs do not add to what is there. */
const PART_SECTION = "part";

interface Sweeps {
  readonly norm: Sweep;
  /** Before the first part, where graphs add to what is there. */
  readonly clear: Sweep | undefined;
  readonly clearLane: Sweep | undefined;
  /** After every further part, where they do not. */
  readonly addPart: Sweep | undefined;
  readonly addLane: Sweep | undefined;
  /** The norm of the sum with the second lane's gradient, which takes its place. */
  readonly summedNorm: Sweep | undefined;
}

/** The gradient sections of one step; parts come one after the other, their lanes at the same time. */
export class GradientSections {
  /** Beside the section "gradient". */
  readonly names: readonly string[];
  private readonly sweeps: Sweeps;
  /** Whether the second lane's gradient is still to be added. */
  private isLaneOpen = false;

  private constructor(names: readonly string[], sweeps: Sweeps) {
    this.names = names;
    this.sweeps = sweeps;
  }

  /** @param facts.accumulates whether a step may have several parts; `lanes`: the most a part may have */
  static async open(
    backend: Backend,
    { accumulates, lanes }: { readonly accumulates: boolean; readonly lanes: number },
  ): Promise<GradientSections> {
    const addsInPlace = accumulates && backend.addsInPlace === true;
    const addsParts = accumulates && !addsInPlace;
    const hasLanes = lanes > 1;
    const names = [...(addsParts ? [PART_SECTION] : []), ...(hasLanes ? [LANE_SECTION] : [])];
    const sweep = (program: Parameters<Backend["compileSweep"]>[0]) => backend.compileSweep(program);
    return new GradientSections(names, {
      norm: await sweep(squaredNormProgram()),
      clear: addsInPlace ? await sweep(clearProgram()) : undefined,
      clearLane: addsInPlace && hasLanes ? await sweep(clearProgram(LANE_SECTION)) : undefined,
      addPart: addsParts ? await sweep(accumulateProgram(PART_SECTION)) : undefined,
      addLane: addsParts && hasLanes ? await sweep(accumulateProgram(LANE_SECTION)) : undefined,
      summedNorm: hasLanes ? await sweep(summedNormProgram(LANE_SECTION)) : undefined,
    });
  }

  /** Whether graphs add their gradients to what is in a section. */
  get areAddedTo(): boolean {
    return this.sweeps.clear !== undefined;
  }

  /** Before the first part. @param usesLanes whether any part has two lanes */
  async begin(store: ParameterStore, ranges: readonly SweepRange[], usesLanes: boolean): Promise<void> {
    this.isLaneOpen = false;
    await this.sweeps.clear?.run(store, ranges);
    if (usesLanes) await this.sweeps.clearLane?.run(store, ranges);
  }

  /** Where a lane of a part writes its gradient. */
  sectionOf(part: number, lane: number): string {
    if (lane > 0) return LANE_SECTION;
    return part > 0 && !this.areAddedTo ? PART_SECTION : "gradient";
  }

  /** After a part has run, in one lane or in two. */
  async endPart(store: ParameterStore, ranges: readonly SweepRange[], part: number, lanes: number): Promise<void> {
    const { addPart, clear } = this.sweeps;
    if (part > 0 && addPart === undefined && clear === undefined) {
      throw internalError("several batches in a step that does not accumulate");
    }
    if (part > 0) await addPart?.run(store, ranges);
    if (lanes === 1) return;
    // With one part, or with sections that are added to, the sum is made with the norm.
    if (this.sweeps.addLane === undefined) this.isLaneOpen = true;
    else await this.sweeps.addLane.run(store, ranges);
  }

  /** After the last part: the whole gradient is in the section "gradient". @returns its global norm */
  async norm(store: ParameterStore, ranges: readonly SweepRange[]): Promise<number> {
    const sweep = this.isLaneOpen ? this.sweeps.summedNorm! : this.sweeps.norm;
    this.isLaneOpen = false;
    const { squares } = await sweep.run(store, ranges);
    return Math.sqrt(squares!);
  }

  async dispose(): Promise<void> {
    for (const sweep of Object.values(this.sweeps) as readonly (Sweep | undefined)[]) await sweep?.dispose();
  }
}
