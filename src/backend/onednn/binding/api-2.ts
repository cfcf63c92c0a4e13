import type { View } from "../program.ts";
import { ANY_LAYOUT, DATA_TYPE, PROPAGATION } from "./constant.ts";
import type { Address, Functions2 } from "./function-table.ts";
import type { System } from "./library.ts";
import type { MajorApi } from "./major-api.ts";
import { NumberList } from "./number-list.ts";
import type { Descriptor, PostOpSpec, PrimitiveSpec, RecurrentDescriptors, SpecOf } from "./primitive-spec.ts";
import { dnnError } from "./status.ts";

/** `sizeof(dnnl_memory_desc_t)` on 64-bit Linux, where 2.0 to 2.7 agree. */
const DESCRIPTOR_BYTES = 696;
/** More than the largest operation descriptor (15 344 bytes, of recurrent layers). */
const OPERATION_BYTES = 32 * 1024;

/** Major 2: an operation is described in a struct of ours, then a primitive descriptor is made from it. */
export class Api2 implements MajorApi {
  private readonly system: System;
  private readonly fn: Functions2;
  private readonly engine: Address;
  private readonly operationBuffer = new ArrayBuffer(OPERATION_BYTES);
  private readonly operation: Address;
  private readonly numbers: NumberList;
  /** Structs in use, by address: the library reads them, so they must stay referenced. */
  private readonly structs = new Map<Address, ArrayBuffer>();

  constructor(system: System, fn: Functions2, engine: Address) {
    this.system = system;
    this.fn = fn;
    this.engine = engine;
    this.operation = system.addressOf(this.operationBuffer);
    this.numbers = new NumberList(system);
  }

  describe({ dtype, dims, strides }: View, where: string): Descriptor {
    const struct = new ArrayBuffer(DESCRIPTOR_BYTES);
    const address = this.system.addressOf(struct);
    const status = this.fn.dnnl_memory_desc_init_by_strides(
      address,
      dims.length,
      this.numbers.int64(0, dims),
      DATA_TYPE[dtype],
      this.numbers.int64(1, strides),
    );
    if (status !== 0) throw dnnError(status, `view ${dtype}[${dims}] by [${strides}]`, where, "ONEDNN_REFUSED");
    this.structs.set(address, struct);
    return address;
  }

  describeFree({ dtype, dims }: View, where: string): Descriptor {
    const struct = new ArrayBuffer(DESCRIPTOR_BYTES);
    const address = this.system.addressOf(struct);
    const sizes = this.numbers.int64(0, dims);
    const status = this.fn.dnnl_memory_desc_init_by_tag(address, dims.length, sizes, DATA_TYPE[dtype], ANY_LAYOUT);
    if (status !== 0) throw dnnError(status, `any layout of ${dtype}[${dims}]`, where, "ONEDNN_REFUSED");
    this.structs.set(address, struct);
    return address;
  }

  releaseDescriptors(): void {
    this.structs.clear();
  }

  appendPostOp(postOps: Address, postOp: Exclude<PostOpSpec, { readonly kind: "binary" }>): number {
    switch (postOp.kind) {
      case "sum":
        return this.fn.dnnl_post_ops_append_sum(postOps, postOp.scale);
      case "eltwise":
        return this.fn.dnnl_post_ops_append_eltwise(postOps, 1, postOp.algorithm, postOp.alpha, postOp.beta);
    }
  }

  setReorderScale(attributes: Address, scale: number): { status: number; argument: number } {
    const status = this.fn.dnnl_primitive_attr_set_output_scales(attributes, 1, 0, this.numbers.float32([scale]));
    return { status, argument: 0 };
  }

  createPrimitiveDescriptor(cell: Address, spec: PrimitiveSpec, attributes: Address, hint: Address): number {
    const { fn, engine } = this;
    switch (spec.kind) {
      case "reorder":
        return fn.dnnl_reorder_primitive_desc_create(cell, spec.source, engine, spec.target, engine, attributes);
      case "sum": {
        const scales = this.numbers.float32(spec.scales);
        const { length } = spec.sources;
        const sources = this.join(spec.sources);
        const { address } = sources;
        return fn.dnnl_sum_primitive_desc_create(cell, spec.target, length, scales, address, attributes, engine);
      }
      case "concat": {
        const { length } = spec.sources;
        const { address } = this.join(spec.sources);
        return fn.dnnl_concat_primitive_desc_create(cell, spec.target, length, spec.axis, address, attributes, engine);
      }
      default: {
        const status = this.describeOperation(spec);
        return status === 0 ? fn.dnnl_primitive_desc_create(cell, this.operation, attributes, engine, hint) : status;
      }
    }
  }

  private describeOperation(spec: Exclude<PrimitiveSpec, { readonly kind: "reorder" | "sum" | "concat" }>): number {
    const { fn, operation } = this;
    switch (spec.kind) {
      case "matmul":
        return fn.dnnl_matmul_desc_init(operation, spec.source, spec.weights, spec.bias, spec.target);
      case "eltwise": {
        const { algorithm, alpha, beta } = spec;
        const training = PROPAGATION.forwardTraining;
        return fn.dnnl_eltwise_forward_desc_init(operation, training, algorithm, spec.source, alpha, beta);
      }
      case "eltwiseBackward": {
        const { algorithm, alpha, beta } = spec;
        return fn.dnnl_eltwise_backward_desc_init(operation, algorithm, spec.targetGradient, spec.data, alpha, beta);
      }
      case "binary":
        return fn.dnnl_binary_desc_init(operation, spec.algorithm, spec.left, spec.right, spec.target);
      case "reduction":
        return fn.dnnl_reduction_desc_init(operation, spec.algorithm, spec.source, spec.target, 0, 0);
      case "softmax": {
        const { algorithm, source, target, axis } = spec;
        const training = PROPAGATION.forwardTraining;
        return fn.dnnl_softmax_v2_forward_desc_init(operation, training, algorithm, source, target, axis);
      }
      case "softmaxBackward": {
        const { algorithm, sourceGradient, targetGradient, result, axis } = spec;
        return fn.dnnl_softmax_v2_backward_desc_init(
          operation,
          algorithm,
          sourceGradient,
          targetGradient,
          result,
          axis,
        );
      }
      case "layerNorm": {
        const { propagation, source, statistics, epsilon, flags } = spec;
        return fn.dnnl_layer_normalization_forward_desc_init(
          operation,
          propagation,
          source,
          statistics,
          epsilon,
          flags,
        );
      }
      case "layerNormBackward": {
        const { propagation, targetGradient, source, statistics, epsilon, flags } = spec;
        return fn.dnnl_layer_normalization_backward_desc_init(
          operation,
          propagation,
          targetGradient,
          source,
          statistics,
          epsilon,
          flags,
        );
      }
      case "recurrent":
        return this.describeRecurrent(spec);
      case "recurrentBackward":
        return this.describeRecurrentBackward(spec);
    }
  }

  private describeRecurrent({ cell, propagation, direction, operands }: SpecOf<"recurrent">): number {
    const { fn, operation } = this;
    if (cell === "lstm") {
      return fn.dnnl_lstm_forward_desc_init(operation, propagation, direction, ...lstmOperands(operands), 0);
    }
    const init = cell === "gru" ? fn.dnnl_gru_forward_desc_init : fn.dnnl_lbr_gru_forward_desc_init;
    return init(operation, propagation, direction, ...gruOperands(operands), 0);
  }

  private describeRecurrentBackward({ cell, direction, operands, gradients }: SpecOf<"recurrentBackward">): number {
    const { fn, operation } = this;
    const { backward } = PROPAGATION;
    if (cell === "lstm") {
      const all = [...lstmOperands(operands), ...lstmOperands(gradients)];
      return fn.dnnl_lstm_backward_desc_init(operation, backward, direction, ...all, 0);
    }
    const init = cell === "gru" ? fn.dnnl_gru_backward_desc_init : fn.dnnl_lbr_gru_backward_desc_init;
    return init(operation, backward, direction, ...gruOperands(operands), ...gruOperands(gradients), 0);
  }

  /** Structs one after the other, as sum and concat want them. */
  private join(descriptors: readonly Descriptor[]): { readonly address: Address } {
    const joined = new Uint8Array(new ArrayBuffer(DESCRIPTOR_BYTES * descriptors.length));
    descriptors.forEach((descriptor, i) => {
      joined.set(new Uint8Array(this.structs.get(descriptor)!), i * DESCRIPTOR_BYTES);
    });
    const address = this.system.addressOf(joined.buffer);
    this.structs.set(address, joined.buffer);
    return { address };
  }
}

/** The library's order. */
function lstmOperands(of: RecurrentDescriptors): readonly Descriptor[] {
  return [
    ...[of.source, of.initialHidden, of.initialCell, of.weightsInput, of.weightsHidden, of.bias],
    ...[of.target, of.finalHidden, of.finalCell],
  ];
}

function gruOperands(of: RecurrentDescriptors): readonly Descriptor[] {
  return [of.source, of.initialHidden, of.weightsInput, of.weightsHidden, of.bias, of.target, of.finalHidden];
}
