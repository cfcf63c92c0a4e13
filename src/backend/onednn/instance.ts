/** @file A program made ready in the engine thread: primitives, memories, arena; and the loop that runs it. */
import { BackendError, internalError } from "../../base/errors.ts";
import type { HostData } from "../../ir/dtype.ts";
import { ARG } from "./binding/constant.ts";
import { type ArgumentEntry, argumentTable, type DnnEngine, type Primitive } from "./binding/engine.ts";
import type { Address } from "./binding/function-table.ts";
import { allocateBlock, type NativeBlock } from "./binding/native-block.ts";
import { dnnError } from "./binding/status.ts";
import { extentBytes } from "./check-program.ts";
import { createHostWork, type HostWork, runHostWork } from "./host-work.ts";
import { checkImplementation, primitiveKey } from "./implementation.ts";
import { type PrimitiveStep, planStep, type StepPlan } from "./plan-step.ts";
import { hostData, type NativeRegion, offsetOf, Port } from "./port.ts";
import { denseView, type HostOperand, type Operand, type Place, type Program, type View } from "./program.ts";
import { isSmall } from "./step-work.ts";
import type { FixedWeights } from "./weight-layouts.ts";

/** What a program takes, for reports. */
export interface InstanceFacts {
  /** The library's implementation of every step; `host:` and the kernel's name for host steps. */
  readonly implementations: readonly string[];
  readonly scratchpadBytes: number;
}

/** One program, ready to run. */
export class ProgramInstance {
  readonly facts: InstanceFacts;
  private readonly engine: DnnEngine;
  private readonly program: Program;
  /** The activations: the arena moves when a program needs a larger one. */
  private readonly activations: Port;
  private readonly constants: readonly NativeBlock[];
  private scratchpad: NativeBlock | undefined;
  /** What native code points to and nothing else keeps. */
  private readonly kept: ArrayBufferLike[] = [];
  private readonly workspaces = new Map<string, Address>();
  private readonly memories = new Map<string, Address>();
  private readonly otherMemories: Address[] = [];
  /** Equal steps at different places (layers, time steps) share one primitive. */
  private readonly made = new Map<string, Primitive>();
  private readonly ownedPrimitives: Address[] = [];
  private readonly inputs: readonly Port[];
  private readonly outputs: readonly Port[];
  /** Of every step: the primitive (0 for host work), its number of arguments and their table's address. */
  private readonly primitives: Float64Array;
  private readonly counts: Int32Array;
  private readonly tables: Float64Array;
  /** Of every step: 1 where it is too small for several threads. */
  private readonly small: Uint8Array;
  private readonly hostWork: readonly (HostWork | undefined)[];

  private readonly fixed: FixedWeights | undefined;

  /**
   * @param fixed inputs that never change: products read copies of them that are laid out for their kernels
   * @throws {BackendError} ONEDNN_REFUSED, ONEDNN_VIEW, ONEDNN_REFERENCE, HOST_KERNEL_MISSING, OUT_OF_MEMORY
   */
  constructor(engine: DnnEngine, program: Program, fixed?: FixedWeights) {
    this.engine = engine;
    this.program = program;
    this.fixed = fixed;
    const port = (): Port => new Port(engine);
    this.inputs = program.inputs.map(port);
    this.outputs = program.outputs.map(port);
    this.primitives = new Float64Array(program.steps.length);
    this.counts = new Int32Array(program.steps.length);
    this.tables = new Float64Array(program.steps.length);
    this.small = Uint8Array.from(program.steps, (step) => Number(isSmall(step)));
    const { library } = engine;
    this.activations = port();
    engine.arena.reserve(program.arenaBytes);
    engine.arena.attach(this.activations);
    this.constants = program.constants.map(({ data }) => {
      const block = allocateBlock(library, data.byteLength, "constants");
      const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
      new Uint8Array(block.buffer, block.byteOffset, block.byteLength).set(bytes);
      return block;
    });
    try {
      const made = program.steps.map((step, i) => (step.kind === "host" ? undefined : this.createStep(step, i)));
      const scratchpadBytes = Math.max(0, ...made.map((primitive) => primitive?.scratchpad.bytes ?? 0));
      if (scratchpadBytes > 0) this.attachScratchpad(made, scratchpadBytes);
      this.hostWork = program.steps.map((step) =>
        step.kind === "host" ? createHostWork(step, this.bindViews) : undefined,
      );
      this.facts = {
        implementations: program.steps.map((step, i) =>
          step.kind === "host" ? `host:${step.kernel}` : made[i]!.implementation,
        ),
        scratchpadBytes,
      };
    } catch (error) {
      this.dispose();
      throw error;
    } finally {
      engine.api.releaseDescriptors();
    }
  }

  /** Runs all steps; regions are given in the order of the program's inputs and outputs. @throws {BackendError} naming the step */
  run(inputs: readonly NativeRegion[], outputs: readonly NativeRegion[]): void {
    this.inputs.forEach((port, i) => {
      port.move(inputs[i]!);
    });
    this.outputs.forEach((port, i) => {
      port.move(outputs[i]!);
    });
    this.moveArena();
    this.runSteps(0, this.primitives.length);
  }

  private moveArena(): void {
    const { buffer, address, byteOffset } = this.engine.arena.current;
    this.activations.move({ buffer, address: address - byteOffset, byteOffset });
  }

  /** Runs one step over what is there. */
  runStep(index: number): void {
    this.moveArena();
    this.runSteps(index, index + 1);
  }

  /** Runs all steps over what is there and gives the seconds of each. */
  timeSteps(): number[] {
    return Array.from(this.primitives, (_, i) => {
      const start = performance.now();
      this.runStep(i);
      return (performance.now() - start) / 1000;
    });
  }

  /** Lets go of the regions of the last run, so that their memory can be collected. */
  forget(): void {
    for (const port of [...this.inputs, ...this.outputs]) port.forget();
  }

  /** Frees everything native; the instance must not run any more. */
  dispose(): void {
    this.engine.arena.detach(this.activations);
    const { common } = this.engine.library;
    for (const primitive of this.ownedPrimitives) common.dnnl_primitive_destroy(primitive);
    this.ownedPrimitives.length = 0;
    this.made.clear();
    this.primitives.fill(0);
    for (const memory of [...this.memories.values(), ...this.otherMemories]) common.dnnl_memory_destroy(memory);
    this.memories.clear();
    this.otherMemories.length = 0;
  }

  private runSteps(first: number, last: number): void {
    const { primitives, counts, tables, small, hostWork, engine } = this;
    const { stream } = engine;
    const execute = engine.library.common.dnnl_primitive_execute;
    for (let i = first; i < last; i++) {
      const primitive = primitives[i]!;
      if (primitive === 0) {
        runHostWork(hostWork[i]!, this.program.steps[i]!.label);
      } else {
        engine.useThreads(small[i] === 1);
        const status = execute(primitive, stream, counts[i]!, tables[i]!);
        if (status !== 0) throw dnnError(status, "execution", this.program.steps[i]!.label, "ONEDNN_FAILED");
      }
    }
    engine.library.common.dnnl_stream_wait(stream);
  }

  private createStep(step: PrimitiveStep, index: number): Primitive {
    const { label } = step;
    const { api } = this.engine;
    const weights = this.freeWeights(step);
    const shape = primitiveKey(step);
    const key = shape === undefined ? undefined : `${shape}${weights === undefined ? "" : " free"}`;
    const known = key === undefined ? undefined : this.made.get(key);
    const describe = (view: View): Address => {
      if (known !== undefined) return 0;
      return view === weights?.view ? api.describeFree(view, label) : api.describe(view, label);
    };
    const plan = planStep(step, this.engine.library.facts.major, describe);
    const primitive = known ?? this.createPrimitive(step, plan, weights !== undefined);
    if (key !== undefined) this.made.set(key, primitive);
    this.primitives[index] = primitive.address;
    const { scratchpad, workspace } = primitive;
    const entries: ArgumentEntry[] = plan.arguments.map(([argument, operand]) => [
      argument,
      (operand === weights ? this.laidOut(operand, primitive, label) : undefined) ?? this.memoryOf(operand, label),
    ]);
    if (workspace.memory !== 0) entries.push([ARG.workspace, this.workspaceOf(step, primitive)]);
    if (scratchpad.memory !== 0) entries.push([ARG.scratchpad, scratchpad.memory]);
    if (primitive.scaleArgument !== 0) {
      entries.push([primitive.scaleArgument, this.scalar(plan.reorderScale ?? 1, label)]);
    }
    this.writeArguments(index, entries);
    return primitive;
  }

  /** The weights of a product whose layout the library may choose: a matrix that never changes. */
  private freeWeights(step: PrimitiveStep): Operand | undefined {
    if (step.kind !== "matmul" || step.weights.view.dims.length !== 2) return undefined;
    const { place } = step.weights;
    return place.kind === "input" && this.fixed?.regions.has(place.index) === true ? step.weights : undefined;
  }

  /** The copy of such weights; undefined where the library wants them as they are. */
  private laidOut({ view, place }: Operand, { weights }: Primitive, label: string): Address | undefined {
    if (place.kind !== "input" || weights.memory === 0) return undefined;
    const { layouts, regions } = this.fixed!;
    const wanted = this.engine.descriptorOf(weights.memory, label);
    return layouts.memoryOf(regions.get(place.index)!, place.offset, view, wanted, label);
  }

  private createPrimitive(step: PrimitiveStep, plan: StepPlan, hasFreeWeights: boolean): Primitive {
    // The library divides work when it makes a primitive as well as when it runs one.
    this.engine.useThreads(isSmall(step));
    const primitive = this.engine.createPrimitive(plan.spec, { where: step.label, ...plan, hasFreeWeights });
    this.ownedPrimitives.push(primitive.address);
    for (const { memory } of [primitive.weights, primitive.scratchpad, primitive.workspace]) {
      if (memory !== 0) this.otherMemories.push(memory);
    }
    checkImplementation(step, primitive.implementation);
    return primitive;
  }

  private writeArguments(index: number, entries: readonly ArgumentEntry[]): void {
    const table = argumentTable(entries);
    this.kept.push(table);
    this.counts[index] = entries.length;
    this.tables[index] = this.engine.library.addressOf(table);
  }

  private attachScratchpad(made: readonly (Primitive | undefined)[], bytes: number): void {
    this.scratchpad = allocateBlock(this.engine.library, bytes, "scratchpad");
    const { address } = this.scratchpad;
    for (const primitive of made) {
      const memory = primitive?.scratchpad.memory ?? 0;
      if (memory !== 0) this.engine.setData(memory, address, "scratchpad");
    }
  }

  /** Steps that look at the same place in the same way share one memory object. */
  private memoryOf({ view, place }: Operand, label: string): Address {
    const key = JSON.stringify([view.dtype, view.dims, view.strides, place.kind, place]);
    const found = this.memories.get(key);
    if (found !== undefined) return found;
    const descriptor = this.engine.api.describe(view, label);
    const memory = this.engine.createMemory(descriptor, this.fixedAddress(place), label);
    this.memories.set(key, memory);
    this.portOf(place)?.addMemory(memory, offsetOf(place));
    return memory;
  }

  private scalar(value: number, label: string): Address {
    const data = Float32Array.of(value);
    this.kept.push(data.buffer);
    const descriptor = this.engine.api.describe(denseView("f32", [1]), label);
    const memory = this.engine.createMemory(descriptor, this.engine.library.addressOf(data.buffer), label);
    this.otherMemories.push(memory);
    return memory;
  }

  /** The forward step of a name makes the workspace, the backward step reads it. */
  private workspaceOf(step: PrimitiveStep, { workspace }: Primitive): Address {
    const name = step.kind === "recurrent" || step.kind === "recurrentBackward" ? step.workspace : undefined;
    if (name === undefined) {
      throw new BackendError(`${step.kind} wants a workspace, and the step names none.`, {
        code: "ONEDNN_PROGRAM",
        path: `onednn: ${step.label}`,
      });
    }
    const found = this.workspaces.get(name);
    if (found !== undefined) return found;
    const block = allocateBlock(this.engine.library, workspace.bytes, "workspace");
    this.kept.push(block.buffer);
    this.engine.setData(workspace.memory, block.address, step.label);
    this.workspaces.set(name, workspace.memory);
    return workspace.memory;
  }

  private readonly bindViews = (operands: readonly HostOperand[], list: HostData[]): void => {
    operands.forEach((operand, index) => {
      const view = { operand, elements: extentBytes(operand.shape, operand.strides, 1) };
      const { place } = operand;
      const port = this.portOf(place);
      if (port !== undefined) {
        port.addView(view, list, index);
      } else {
        const block = this.constantAt(place);
        list[index] = hostData(view, block.buffer, block.byteOffset);
      }
    });
  };

  private portOf(place: Place): Port | undefined {
    if (place.kind === "arena") return this.activations;
    if (place.kind === "input") return this.inputs[place.index];
    return place.kind === "output" ? this.outputs[place.index] : undefined;
  }

  private constantAt(place: Place): NativeBlock {
    if (place.kind !== "constant") throw internalError(`${place.kind} is no constant`);
    return this.constants[place.index]!;
  }

  /** The address of a place that never moves; 0 for all others. */
  private fixedAddress(place: Place): Address {
    return place.kind === "constant" ? this.constantAt(place).address : 0;
  }
}
