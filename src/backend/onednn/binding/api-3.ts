import type { View } from "../program.ts";
import { ANY_LAYOUT, DATA_TYPE, PROPAGATION, SOURCE_SCALE_ARG } from "./constant.ts";
import type { Address, Functions3 } from "./function-table.ts";
import type { System } from "./library.ts";
import type { MajorApi } from "./major-api.ts";
import { NumberList } from "./number-list.ts";
import type { Descriptor, PostOpSpec, PrimitiveSpec, RecurrentDescriptors, SpecOf } from "./primitive-spec.ts";
import { dnnError } from "./status.ts";

/** `DNNL_ARG_SRC`, of which the scale is set. */
const SOURCE = 1;
/** The target's own type. */
const UNDEFINED_TYPE = 0;

/** Major 3: descriptors are objects of the library, a primitive descriptor is made in one call. */
export class Api3 implements MajorApi {
  private readonly fn: Functions3;
  private readonly engine: Address;
  private readonly numbers: NumberList;
  private readonly cellData = new BigUint64Array(new ArrayBuffer(8));
  private readonly cell: Address;
  private descriptors: Descriptor[] = [];

  constructor(system: System, fn: Functions3, engine: Address) {
    this.fn = fn;
    this.engine = engine;
    this.numbers = new NumberList(system);
    this.cell = system.addressOf(this.cellData.buffer);
  }

  describe({ dtype, dims, strides }: View, where: string): Descriptor {
    const status = this.fn.dnnl_memory_desc_create_with_strides(
      this.cell,
      dims.length,
      this.numbers.int64(0, dims),
      DATA_TYPE[dtype],
      this.numbers.int64(1, strides),
    );
    if (status !== 0) throw dnnError(status, `view ${dtype}[${dims}] by [${strides}]`, where, "ONEDNN_REFUSED");
    return this.keep(Number(this.cellData[0]));
  }

  describeFree({ dtype, dims }: View, where: string): Descriptor {
    const { fn, numbers, cell } = this;
    const sizes = numbers.int64(0, dims);
    const status = fn.dnnl_memory_desc_create_with_tag(cell, dims.length, sizes, DATA_TYPE[dtype], ANY_LAYOUT);
    if (status !== 0) throw dnnError(status, `any layout of ${dtype}[${dims}]`, where, "ONEDNN_REFUSED");
    return this.keep(Number(this.cellData[0]));
  }

  private keep(descriptor: Descriptor): Descriptor {
    this.descriptors.push(descriptor);
    return descriptor;
  }

  releaseDescriptors(): void {
    for (const descriptor of this.descriptors) this.fn.dnnl_memory_desc_destroy(descriptor);
    this.descriptors = [];
  }

  appendPostOp(postOps: Address, postOp: Exclude<PostOpSpec, { readonly kind: "binary" }>): number {
    switch (postOp.kind) {
      case "sum":
        return this.fn.dnnl_post_ops_append_sum(postOps, postOp.scale, 0, UNDEFINED_TYPE);
      case "eltwise":
        return this.fn.dnnl_post_ops_append_eltwise(postOps, postOp.algorithm, postOp.alpha, postOp.beta);
    }
  }

  setReorderScale(attributes: Address): { status: number; argument: number } {
    return { status: this.fn.dnnl_primitive_attr_set_scales_mask(attributes, SOURCE, 0), argument: SOURCE_SCALE_ARG };
  }

  createPrimitiveDescriptor(cell: Address, spec: PrimitiveSpec, attributes: Address, hint: Address): number {
    const { fn, engine } = this;
    switch (spec.kind) {
      case "reorder":
        return fn.dnnl_reorder_primitive_desc_create(cell, spec.source, engine, spec.target, engine, attributes);
      case "sum": {
        const scales = this.numbers.float32(spec.scales);
        const sources = this.numbers.int64(0, spec.sources);
        const { length } = spec.sources;
        return fn.dnnl_sum_primitive_desc_create(cell, engine, spec.target, length, scales, sources, attributes);
      }
      case "concat": {
        const sources = this.numbers.int64(0, spec.sources);
        const { length } = spec.sources;
        return fn.dnnl_concat_primitive_desc_create(cell, engine, spec.target, length, spec.axis, sources, attributes);
      }
      case "matmul": {
        const { source, weights, bias, target } = spec;
        return fn.dnnl_matmul_primitive_desc_create(cell, engine, source, weights, bias, target, attributes);
      }
      case "eltwise": {
        const { algorithm, source, target, alpha, beta } = spec;
        return fn.dnnl_eltwise_forward_primitive_desc_create(
          ...[cell, engine, PROPAGATION.forwardTraining, algorithm, source, target, alpha, beta, attributes],
        );
      }
      case "eltwiseBackward": {
        const { algorithm, sourceGradient, targetGradient, data, alpha, beta } = spec;
        return fn.dnnl_eltwise_backward_primitive_desc_create(
          ...[cell, engine, algorithm, sourceGradient, targetGradient, data, alpha, beta, hint, attributes],
        );
      }
      case "binary": {
        const { algorithm, left, right, target } = spec;
        return fn.dnnl_binary_primitive_desc_create(cell, engine, algorithm, left, right, target, attributes);
      }
      case "reduction": {
        const { algorithm, source, target } = spec;
        return fn.dnnl_reduction_primitive_desc_create(cell, engine, algorithm, source, target, 0, 0, attributes);
      }
      case "softmax": {
        const { algorithm, source, target, axis } = spec;
        return fn.dnnl_softmax_forward_primitive_desc_create(
          ...[cell, engine, PROPAGATION.forwardTraining, algorithm, source, target, axis, attributes],
        );
      }
      case "softmaxBackward": {
        const { algorithm, sourceGradient, targetGradient, result, axis } = spec;
        return fn.dnnl_softmax_backward_primitive_desc_create(
          ...[cell, engine, algorithm, sourceGradient, targetGradient, result, axis, hint, attributes],
        );
      }
      case "layerNorm": {
        const { propagation, source, target, statistics, epsilon, flags } = spec;
        return fn.dnnl_layer_normalization_forward_primitive_desc_create(
          ...[cell, engine, propagation, source, target, statistics, epsilon, flags, attributes],
        );
      }
      case "layerNormBackward": {
        const { propagation, sourceGradient, targetGradient, source, statistics, epsilon, flags } = spec;
        return fn.dnnl_layer_normalization_backward_primitive_desc_create(
          ...[cell, engine, propagation, sourceGradient, targetGradient, source, statistics, epsilon, flags],
          ...[hint, attributes],
        );
      }
      case "recurrent":
        return this.createRecurrent(cell, spec, attributes);
      case "recurrentBackward":
        return this.createRecurrentBackward(cell, spec, attributes, hint);
    }
  }

  private createRecurrent(cell: Address, spec: SpecOf<"recurrent">, attributes: Address): number {
    const { fn, engine } = this;
    const head = [cell, engine, spec.propagation, spec.direction + 1];
    if (spec.cell === "lstm") {
      return fn.dnnl_lstm_forward_primitive_desc_create(...head, ...lstmOperands(spec.operands), 0, attributes);
    }
    const create =
      spec.cell === "gru" ? fn.dnnl_gru_forward_primitive_desc_create : fn.dnnl_lbr_gru_forward_primitive_desc_create;
    return create(...head, ...gruOperands(spec.operands), 0, attributes);
  }

  private createRecurrentBackward(
    cell: Address,
    spec: SpecOf<"recurrentBackward">,
    attributes: Address,
    hint: Address,
  ): number {
    const { fn, engine } = this;
    const head = [cell, engine, PROPAGATION.backward, spec.direction + 1];
    const tail = [0, hint, attributes];
    if (spec.cell === "lstm") {
      const all = [...lstmOperands(spec.operands), ...lstmOperands(spec.gradients)];
      return fn.dnnl_lstm_backward_primitive_desc_create(...head, ...all, ...tail);
    }
    const create =
      spec.cell === "gru" ? fn.dnnl_gru_backward_primitive_desc_create : fn.dnnl_lbr_gru_backward_primitive_desc_create;
    return create(...head, ...gruOperands(spec.operands), ...gruOperands(spec.gradients), ...tail);
  }
}

/** The library's order, without peephole and projection. */
function lstmOperands(of: RecurrentDescriptors): readonly Descriptor[] {
  return [
    ...[of.source, of.initialHidden, of.initialCell, of.weightsInput, of.weightsHidden, 0, 0, of.bias],
    ...[of.target, of.finalHidden, of.finalCell],
  ];
}

function gruOperands(of: RecurrentDescriptors): readonly Descriptor[] {
  return [of.source, of.initialHidden, of.weightsInput, of.weightsHidden, of.bias, of.target, of.finalHidden];
}
