/**
 * @file Attention by cuDNN's fused kernels, which keep no probabilities: XLA's compiler for NVIDIA's devices knows them as
 * custom calls. Their forward pass gives log Σ eˢᶜᵒʳᵉ of every row, from which their backward pass computes the rest again.
 *
 * They draw dropout masks of their own, which are not a function of our key, so attention with dropout is written out.
 * @source XLA's `CudnnfMHABackendConfig`; JAX's `dot_product_attention(implementation="cudnn")` sends the same
 */
import type { TensorType } from "../../../ir/dtype.ts";
import type { Graph, Node, NodeOf, Value } from "../../../ir/graph.ts";
import { type Shape, tensorType } from "../../../ir/shape.ts";
import type { LowerContext } from "./context.ts";
import type { Emitter, Ref } from "./emitter.ts";
import { onParts } from "./manual-shard.ts";
import { stringText, typesText } from "./type-text.ts";

/** Largest head that cuDNN's kernels take (Hopper; 128 before). */
const MOST_HEAD_SIZE = 256;

const callName = (hasBias: boolean, isBackward: boolean): string =>
  `__cudnn$fmha${hasBias ? "ScaleBias" : ""}Softmax${isBackward ? "Backward" : ""}`;

type Axes = readonly [lhsContract: number, rhsContract: number, lhsBatch: Shape, rhsBatch: Shape];

/** The products of the forward pass over [B,T,N,D]: scores, then their mixing of values. */
const FORWARD: Readonly<Record<string, Axes>> = {
  bmm1_dot_dimension_numbers: [3, 3, [0, 2], [0, 2]],
  bmm2_dot_dimension_numbers: [3, 1, [0, 1], [0, 2]],
};
const BACKWARD: Readonly<Record<string, Axes>> = {
  bmm1_grad_gemm1_dot_dimension_numbers: [2, 1, [0, 1], [0, 2]],
  bmm1_grad_gemm2_dot_dimension_numbers: [3, 1, [0, 1], [0, 2]],
  bmm2_grad_gemm1_dot_dimension_numbers: [2, 1, [0, 1], [0, 2]],
  bmm2_grad_gemm2_dot_dimension_numbers: [3, 3, [0, 2], [0, 2]],
};

const texts = (numbers: readonly number[]): string[] => numbers.map(String);

/** XLA's description of the call, whose whole numbers are texts (protocol buffers as JSON). */
function backendConfig(q: Ref, k: Ref, scale: number, products: Readonly<Record<string, Axes>>): string {
  const [batch, queries, heads] = q.shape as [number, number, number];
  const dimensions = Object.entries(products).map(([name, [lhs, rhs, lhsBatch, rhsBatch]]) => [
    name,
    {
      lhs_contracting_dimensions: texts([lhs]),
      rhs_contracting_dimensions: texts([rhs]),
      lhs_batch_dimensions: texts(lhsBatch),
      rhs_batch_dimensions: texts(rhsBatch),
    },
  ]);
  return JSON.stringify({
    operation_queue_id: "0",
    cudnn_fmha_backend_config: {
      algorithm: {
        algo_id: "0",
        math_type: "TENSOR_OP_MATH",
        tuning_knobs: { 17: "1", 24: "0" },
        is_cudnn_frontend: true,
        workspace_size: "0",
      },
      fmha_scale: scale,
      intermediate_tensor_shape: {
        element_type: q.dtype === "bf16" ? "BF16" : "F16",
        dimensions: texts([batch, heads, queries, k.shape[1]!]),
        layout: { minor_to_major: texts([3, 2, 1, 0]) },
        is_dynamic_dimension: [false, false, false, false],
      },
      is_flash_attention: true,
      mask_type: "NO_MASK",
      ...Object.fromEntries(dimensions),
      dropout_rate: 0,
      seed: 0,
      sliding_window_length: 0,
      max_seg_per_batch: 1,
      is_paged_attention: false,
    },
  });
}

/** Axes from the fastest to the slowest, as layouts list them. */
const rowMajor = ({ shape }: TensorType): number[] => shape.map((_, axis) => shape.length - 1 - axis);
/** [B,N,T,D] that lies in memory as [B,T,N,D]: its transpose costs nothing. */
const HEADS_INSIDE = [3, 1, 2, 0];

const layoutsText = (layouts: readonly (readonly number[])[]): string =>
  `[${layouts.map((order) => `dense<[${order.join(", ")}]> : tensor<${order.length}xindex>`).join(", ")}]`;

interface Result {
  readonly type: TensorType;
  readonly layout: readonly number[];
}

/** Emits a call; the workspace that it asks for is its last result, which nobody reads. */
function customCall(
  emitter: Emitter,
  target: string,
  config: string,
  operands: readonly Ref[],
  results: readonly Result[],
): Ref[] {
  const types = results.map(({ type }) => type);
  const attributes = [
    "api_version = 2 : i32",
    `backend_config = ${stringText(config)}`,
    `operand_layouts = ${layoutsText(operands.map(rowMajor))}`,
    `result_layouts = ${layoutsText([...results.map(({ layout }) => layout), [0]])}`,
  ];
  const names = operands.map(({ name }) => name).join(", ");
  const text = `stablehlo.custom_call @${target}(${names}) {${attributes.join(", ")}}`;
  const signature = `(${typesText(operands)}) -> (${typesText(types)}, tensor<0xui8>)`;
  return emitter.emitSeveral("attention", `${text} : ${signature}`, [...types, tensorType("i8", [0])]).slice(0, -1);
}

const readersOf = ({ nodes }: Graph, value: Value): Node[] => nodes.filter(({ inputs }) => inputs.includes(value));

/** Whether a gradient can be the fused kernel's: of this very attention, without a bias to differentiate. */
function isPlainGradient(node: Node, forward: NodeOf<"attention">): node is Node & { readonly op: "attentionGrad" } {
  if (node.op !== "attentionGrad" || node.params.mask || node.params.biasShape !== null) return false;
  const [q, k, v, probabilities] = node.inputs;
  return (
    probabilities === forward.outputs[1] &&
    [q, k, v].every((value, i) => value === forward.inputs[i]) &&
    node.params.scale === forward.params.scale
  );
}

function isFusible({ graph, facts }: LowerContext, node: NodeOf<"attention">): boolean {
  const { bias: hasBias, mask } = node.params;
  const [q, k] = node.inputs as readonly [Value, Value];
  const [, queries, , size] = q.shape as [number, number, number, number];
  const isHalf = q.dtype === "bf16" || q.dtype === "f16";
  if (mask || !isHalf || q.shape[0]! % facts.spread.partitions !== 0 || size % 8 !== 0 || size > MOST_HEAD_SIZE)
    return false;
  if (hasBias && (queries % 2 !== 0 || k.shape[1]! % 2 !== 0)) return false;
  const probabilities = node.outputs[1]!;
  const readers = readersOf(graph, probabilities);
  if (!facts.customCalls.has(callName(hasBias, false))) return false;
  if (readers.length > 0 && !facts.customCalls.has(callName(hasBias, true))) return false;
  const isGiven = graph.outputs.some(({ value }) => value === probabilities);
  return !isGiven && readers.every((reader) => isPlainGradient(reader, node));
}

/** The bias in the queries' dtype with its last two axes in full, as cuDNN wants it. */
function kernelBias(emitter: Emitter, bias: Ref, q: Ref, k: Ref): Ref {
  const shape = [bias.shape[0]!, bias.shape[1]!, q.shape[1]!, k.shape[1]!];
  return emitter.broadcast(emitter.convert(bias, q.dtype), shape, [0, 1, 2, 3]);
}

/** [B,T,N,D] as the kernels give it: as [B,N,T,D] in the same memory. */
const swapped = ({ dtype, shape: [b, t, n, d] }: TensorType): Result => ({
  type: tensorType(dtype, [b!, n!, t!, d!]),
  layout: HEADS_INSIDE,
});

/** The attention's result, without its probabilities; undefined where no kernel takes it. */
export function fusedAttention(context: LowerContext, node: NodeOf<"attention">): readonly Ref[] | undefined {
  if (!isFusible(context, node)) return undefined;
  const { emitter } = context;
  const [q, k, v, bias] = context.refsOf(node) as [Ref, Ref, Ref, Ref | undefined];
  const probabilities = node.outputs[1]!;
  const isTraining = readersOf(context.graph, probabilities).length > 0;
  const ownBias = bias === undefined ? [] : [kernelBias(emitter, bias, q, k)];
  const [heads, statistic] = onParts(emitter, context.facts.spread, [q, k, v, ...ownBias], (device, parts) => {
    const [query, key] = parts as readonly [Ref, Ref];
    const [batch, length, numHeads] = query.shape as [number, number, number];
    const rows = tensorType("f32", [batch, numHeads, length]);
    const results = [swapped(query), ...(isTraining ? [{ type: rows, layout: rowMajor(rows) }] : [])];
    const config = backendConfig(query, key, node.params.scale, FORWARD);
    return customCall(device, callName(bias !== undefined, false), config, parts, results);
  }) as [Ref, Ref | undefined];
  const out = emitter.transpose(heads, [0, 2, 1, 3]);
  if (statistic !== undefined) context.fusedAttentions.set(probabilities, { out, statistic, bias: ownBias });
  return [out];
}

/** dq, dk and dv, or undefined where the attention itself was not fused. */
export function fusedAttentionGrad(context: LowerContext, node: NodeOf<"attentionGrad">): readonly Ref[] | undefined {
  const forward = context.fusedAttentions.get(node.inputs[3]!);
  if (forward === undefined) return undefined;
  const { emitter } = context;
  const [q, k, v, , dOut] = node.inputs.map((value, i) => (i === 3 ? forward.statistic : context.ref(value))) as [
    Ref,
    Ref,
    Ref,
    Ref,
    Ref,
  ];
  const { out, statistic, bias } = forward;
  const operands = [q, k, v, statistic, dOut, ...bias, out];
  const gradients = onParts(emitter, context.facts.spread, operands, (device, parts) => {
    const [query, key, value] = parts as readonly [Ref, Ref, Ref];
    const config = backendConfig(query, key, node.params.scale, BACKWARD);
    return customCall(device, callName(bias.length > 0, true), config, parts, [query, key, value].map(swapped));
  });
  return gradients.map((gradient) => emitter.transpose(gradient, [0, 2, 1, 3]));
}
