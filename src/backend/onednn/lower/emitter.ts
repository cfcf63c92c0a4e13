/** @file Collects the steps of a program over memory whose places are chosen at the end. */
import { internalError } from "../../../base/errors.ts";
import { type DType, dtypeBytes, type HostTensor, type TensorType } from "../../../ir/dtype.ts";
import { formatType, type Shape, sizeOf, stridesOf } from "../../../ir/shape.ts";
import {
  type BinaryAlgorithm,
  dnnDTypeOf,
  type EltwiseAlgorithm,
  type HostOperand,
  type HostParams,
  type Operand,
  type Place,
  type PostOp,
  type Step,
} from "../program.ts";
import { type Access, planArena } from "./arena.ts";
import { type Block, isDense, type Ref } from "./ref.ts";

/** A post-op before its operand has a place. */
export type PostOpDraft =
  | Extract<PostOp, { readonly kind: "eltwise" | "sum" }>
  | { readonly kind: "binary"; readonly algorithm: BinaryAlgorithm; readonly operand: Ref };

export interface EltwiseFunction {
  readonly algorithm: EltwiseAlgorithm;
  readonly alpha?: number;
  readonly beta?: number;
}

/** Gives an operand its place. */
type Locate = (ref: Ref) => Operand;
type LocateHost = (ref: Ref) => HostOperand;

interface Draft extends Access {
  readonly build: (locate: Locate, locateHost: LocateHost) => Step;
}

type Unlabelled<S> = S extends Step ? Omit<S, "label"> : never;

/** Dims and strides as the library takes them: at least one axis, no stride of 0. */
function viewOf(ref: Ref): Operand["view"] {
  const dtype = dnnDTypeOf[ref.dtype];
  if (dtype === undefined) throw internalError(`oneDNN lowering: ${formatType(ref)} in a step of the library`);
  const dims = ref.shape.length === 0 ? [1] : [...ref.shape];
  const strides = ref.shape.length === 0 ? [1] : [...ref.strides];
  for (let axis = dims.length - 1; axis >= 0; axis--) {
    if (dims[axis] === 1) strides[axis] = axis + 1 < dims.length ? strides[axis + 1]! * dims[axis + 1]! : 1;
    else if (strides[axis] === 0) throw internalError(`oneDNN lowering: ${formatType(ref)} repeats an axis`);
  }
  return { dtype, dims, strides };
}

export class Emitter {
  /** Operation and source line of the node being lowered. */
  label = "";
  private readonly drafts: Draft[] = [];
  private readonly constants: HostTensor[] = [];
  private readonly known = new Map<string, Ref>();

  /** New memory for a dense tensor. */
  allocate(dtype: DType, shape: Shape): Ref {
    const block: Block = { bytes: sizeOf(shape) * dtypeBytes[dtype], home: { kind: "arena" } };
    return { dtype, shape, strides: stridesOf(shape), block, offset: 0 };
  }

  constant(tensor: HostTensor): Ref {
    const { dtype, shape, data } = tensor;
    const home = { kind: "constant", index: this.constants.length } as const;
    this.constants.push(tensor);
    return { dtype, shape, strides: stridesOf(shape), block: { bytes: data.byteLength, home }, offset: 0 };
  }

  /** A dense tensor of ones, stored once. */
  ones(dtype: "f32" | "bf16", shape: Shape): Ref {
    const key = `ones ${formatType({ dtype, shape })}`;
    const size = sizeOf(shape);
    const data = dtype === "f32" ? new Float32Array(size).fill(1) : new Uint16Array(size).fill(0x3f80);
    const ref = this.known.get(key) ?? this.constant({ dtype, shape, data });
    this.known.set(key, ref);
    return ref;
  }

  /** Adds a step; `inPlace` says that the second operand may take the first one's memory. */
  private add(
    reads: readonly Ref[],
    writes: readonly Ref[],
    build: Draft["build"],
    inPlace?: readonly [Ref, Ref],
  ): void {
    const blocks = (refs: readonly Ref[]) => refs.map(({ block }) => block);
    const [from, to] = inPlace ?? [];
    const isWhole = (ref: Ref | undefined): ref is Ref => ref !== undefined && isDense(ref) && ref.offset === 0;
    const fits = isWhole(from) && isWhole(to) && from.dtype === to.dtype && from.block.bytes === to.block.bytes;
    this.drafts.push({
      reads: blocks(reads),
      writes: blocks(writes),
      build,
      ...(fits ? { inPlace: [from.block, to.block] as const } : {}),
    });
  }

  /** A step of the library. */
  step(
    reads: readonly Ref[],
    writes: readonly Ref[],
    build: (locate: Locate) => Unlabelled<Step>,
    inPlace?: readonly [Ref, Ref],
  ): void {
    const { label } = this;
    if (writes.every(({ shape }) => sizeOf(shape) === 0)) return;
    this.add(reads, writes, (locate) => ({ label, ...build(locate) }) as Step, inPlace);
  }

  /** A kernel of `host-kernels.ts`. */
  host(kernel: string, params: HostParams, inputs: readonly Ref[], outputs: readonly Ref[]): void {
    const { label } = this;
    if (outputs.every(({ shape }) => sizeOf(shape) === 0)) return;
    this.add(inputs, outputs, (_, locate) => ({
      kind: "host",
      label,
      kernel,
      params,
      inputs: inputs.map(locate),
      outputs: outputs.map(locate),
    }));
  }

  /** One operand's elements into another's place, in the other's dtype. */
  reorder(source: Ref, target: Ref): void {
    this.step([source], [target], (locate) => ({ kind: "reorder", source: locate(source), target: locate(target) }));
  }

  eltwise({ algorithm, alpha = 0, beta = 0 }: EltwiseFunction, source: Ref, target: Ref): void {
    const build = (locate: Locate) =>
      ({
        kind: "eltwise",
        algorithm,
        alpha,
        beta,
        source: locate(source),
        target: locate(target),
        postOps: [],
        acceptReference: true,
      }) as const;
    this.step([source], [target], build, [source, target]);
  }

  /** @param right dims of 1 are repeated */
  binary(algorithm: BinaryAlgorithm, left: Ref, right: Ref, target: Ref): void {
    const build = (locate: Locate) =>
      ({
        kind: "binary",
        algorithm,
        left: locate(left),
        right: locate(right),
        target: locate(target),
        postOps: [],
        acceptReference: true,
      }) as const;
    this.step([left, right], [target], build, [left, target]);
  }

  /** The steps with all memory placed. */
  finish(): { readonly steps: Step[]; readonly arenaBytes: number; readonly constants: readonly HostTensor[] } {
    const drafts = needed(this.drafts);
    const plan = planArena(drafts);
    const constants = new ConstantPool(this.constants);
    const placeOf = ({ block, offset }: Ref): Place => {
      const { home } = block;
      if (home.kind === "arena") return { kind: "arena", offset: plan.offsets.get(block)! + offset };
      return home.kind === "constant" ? constants.place(home.index, offset) : { ...home, offset };
    };
    const locate: Locate = (ref) => ({ view: viewOf(ref), place: placeOf(ref) });
    const locateHost: LocateHost = (ref) => {
      const { dtype, shape, strides }: TensorType & Ref = ref;
      return { dtype, shape, strides, place: placeOf(ref) };
    };
    return {
      steps: drafts.map(({ build }) => build(locate, locateHost)),
      arenaBytes: plan.bytes,
      constants: constants.tensors,
    };
  }
}

/** The steps whose results reach an output, in order. */
function needed(drafts: readonly Draft[]): Draft[] {
  const read = new Set<Block>();
  const kept: Draft[] = [];
  for (const draft of drafts.toReversed()) {
    if (!draft.writes.some((block) => block.home.kind !== "arena" || read.has(block))) continue;
    for (const block of draft.reads) read.add(block);
    kept.push(draft);
  }
  return kept.reverse();
}

/** Constants of a program; a view into one is a constant of its own. */
class ConstantPool {
  readonly tensors: HostTensor[];
  private readonly parts = new Map<string, number>();

  constructor(tensors: readonly HostTensor[]) {
    this.tensors = [...tensors];
  }

  place(index: number, offset: number): Place {
    if (offset === 0) return { kind: "constant", index };
    const key = `${index} ${offset}`;
    const { dtype, data } = this.tensors[index]!;
    const rest = data.slice(offset / dtypeBytes[dtype]);
    const at = this.parts.get(key) ?? this.tensors.push({ dtype, shape: [rest.length], data: rest }) - 1;
    this.parts.set(key, at);
    return { kind: "constant", index: at };
  }
}
