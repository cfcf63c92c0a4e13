/** @file The programs that make the steps of a run, which change where parameters join or dropout ends. */
import type { Module } from "../nn/module.ts";
import type { LossProgram } from "./loss-program.ts";
import { firstStepOf, type ParameterTreatment } from "./treatment.ts";
import type { StepRole } from "./whole-step.ts";

export interface StepProgramsOptions<M extends Module> {
  readonly treatments: readonly ParameterTreatment[];
  /** Steps from the first that have dropout. */
  readonly dropoutSteps: number;
  /** The role of the program that tells what a step is. */
  readonly mainRole: StepRole;
  readonly open: (step: number, role: StepRole) => LossProgram<M>;
}

/** Programs by what is trained in a step, whether it has dropout, and what of the step they make. */
export class StepPrograms<M extends Module> {
  private readonly options: StepProgramsOptions<M>;
  private readonly programs = new Map<string, LossProgram<M>>();
  /** Steps from which more parameters are trained, rising. */
  private readonly joins: readonly number[];
  /** The step made last: graphs of its programs are those that are kept. */
  private lastStep = 1;

  constructor(options: StepProgramsOptions<M>) {
    this.options = options;
    const trained = options.treatments.filter(({ learningRateScale }) => learningRateScale > 0);
    this.joins = [...new Set(trained.map(firstStepOf))].sort((a, b) => a - b);
  }

  /** Steps of one stretch share their programs. */
  private stretchOf(step: number): string {
    return `${this.joins.filter((first) => first <= step).length} ${step <= this.options.dropoutSteps}`;
  }

  /** The program of a step, from 1; of the step made last when left out. */
  of(step: number = this.lastStep, role: StepRole = this.options.mainRole): LossProgram<M> {
    const key = `${this.stretchOf(step)} ${role}`;
    const program = this.programs.get(key) ?? this.options.open(step, role);
    this.programs.set(key, program);
    return program;
  }

  /** That of the step that trains most, which is the last where parameters join later. */
  get largest(): LossProgram<M> {
    return this.of(this.joins.length < 2 ? this.lastStep : this.joins.at(-1)!);
  }

  /** Goes to a step. Graphs of the stretch before are freed: a run does not go back. */
  async enter(step: number): Promise<void> {
    const [before, now] = [this.stretchOf(this.lastStep), this.stretchOf(step)];
    this.lastStep = step;
    if (before === now) return;
    for (const [key, program] of this.programs) if (key.startsWith(`${before} `)) await program.release();
  }

  async dispose(): Promise<void> {
    for (const program of this.programs.values()) await program.dispose();
  }
}
