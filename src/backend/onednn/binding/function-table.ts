/**
 * @file The functions of the C API that Firth calls, with their signatures, for both majors.
 *
 * Pointers are plain numbers: user addresses of 64-bit Linux are below 2⁵³.
 * @source oneapi/dnnl/dnnl.h of 2.6 and 3.x
 */

/** An address in this process; 0 is NULL. */
export type Address = number;

/** a address, i int, u unsigned, f float, z size_t, l int64 */
export type Signature = readonly [result: string, args: string];

/** A C function over numbers. */
export type NativeFunction = (...args: readonly number[]) => number;

/** Functions that both majors have, with the same arguments. */
export const commonSignatures = {
  dnnl_get_effective_cpu_isa: ["i", ""],
  dnnl_engine_create: ["i", "aiz"],
  dnnl_engine_destroy: ["i", "a"],
  dnnl_stream_create: ["i", "aau"],
  dnnl_stream_wait: ["i", "a"],
  dnnl_stream_destroy: ["i", "a"],
  dnnl_memory_create: ["i", "aaaa"],
  dnnl_memory_set_data_handle: ["i", "aa"],
  dnnl_memory_destroy: ["i", "a"],
  dnnl_memory_get_memory_desc: ["i", "aa"],
  dnnl_memory_desc_get_size: ["z", "a"],
  dnnl_memory_desc_equal: ["i", "aa"],
  dnnl_primitive_desc_query: ["i", "aiia"],
  dnnl_primitive_desc_query_md: ["a", "aii"],
  dnnl_primitive_desc_destroy: ["i", "a"],
  dnnl_primitive_create: ["i", "aa"],
  dnnl_primitive_destroy: ["i", "a"],
  dnnl_primitive_execute: ["i", "aaia"],
  dnnl_primitive_attr_create: ["i", "a"],
  dnnl_primitive_attr_destroy: ["i", "a"],
  dnnl_primitive_attr_set_scratchpad_mode: ["i", "ai"],
  dnnl_primitive_attr_set_post_ops: ["i", "aa"],
  dnnl_post_ops_create: ["i", "a"],
  dnnl_post_ops_destroy: ["i", "a"],
  dnnl_post_ops_append_binary: ["i", "aia"],
} as const satisfies Readonly<Record<string, Signature>>;

/** Major 2: memory descriptors are structs of the caller, operations are described before the primitive. */
export const signatures2 = {
  dnnl_memory_desc_init_by_strides: ["i", "aiaia"],
  dnnl_memory_desc_init_by_tag: ["i", "aiaii"],
  dnnl_primitive_attr_set_output_scales: ["i", "alia"],
  dnnl_post_ops_append_sum: ["i", "af"],
  dnnl_post_ops_append_eltwise: ["i", "afiff"],
  dnnl_primitive_desc_create: ["i", "aaaaa"],
  dnnl_reorder_primitive_desc_create: ["i", "aaaaaa"],
  dnnl_concat_primitive_desc_create: ["i", "aaiiaaa"],
  dnnl_sum_primitive_desc_create: ["i", "aaiaaaa"],
  dnnl_matmul_desc_init: ["i", "aaaaa"],
  dnnl_eltwise_forward_desc_init: ["i", "aiiaff"],
  dnnl_eltwise_backward_desc_init: ["i", "aiaaff"],
  dnnl_binary_desc_init: ["i", "aiaaa"],
  dnnl_reduction_desc_init: ["i", "aiaaff"],
  dnnl_softmax_v2_forward_desc_init: ["i", "aiiaai"],
  dnnl_softmax_v2_backward_desc_init: ["i", "aiaaai"],
  dnnl_layer_normalization_forward_desc_init: ["i", "aiaafu"],
  dnnl_layer_normalization_backward_desc_init: ["i", "aiaaafu"],
  dnnl_lstm_forward_desc_init: ["i", "aiiaaaaaaaaau"],
  dnnl_lstm_backward_desc_init: ["i", "aiiaaaaaaaaaaaaaaaaaau"],
  dnnl_gru_forward_desc_init: ["i", "aiiaaaaaaau"],
  dnnl_gru_backward_desc_init: ["i", "aiiaaaaaaaaaaaaaau"],
  dnnl_lbr_gru_forward_desc_init: ["i", "aiiaaaaaaau"],
  dnnl_lbr_gru_backward_desc_init: ["i", "aiiaaaaaaaaaaaaaau"],
} as const satisfies Readonly<Record<string, Signature>>;

/** Major 3: memory descriptors are objects, primitive descriptors are made at once. */
export const signatures3 = {
  dnnl_memory_desc_create_with_strides: ["i", "aiaia"],
  dnnl_memory_desc_create_with_tag: ["i", "aiaii"],
  dnnl_memory_desc_destroy: ["i", "a"],
  dnnl_primitive_attr_set_scales_mask: ["i", "aii"],
  dnnl_post_ops_append_sum: ["i", "afii"],
  dnnl_post_ops_append_eltwise: ["i", "aiff"],
  dnnl_reorder_primitive_desc_create: ["i", "aaaaaa"],
  dnnl_concat_primitive_desc_create: ["i", "aaaiiaa"],
  dnnl_sum_primitive_desc_create: ["i", "aaaiaaa"],
  dnnl_matmul_primitive_desc_create: ["i", "aaaaaaa"],
  dnnl_eltwise_forward_primitive_desc_create: ["i", "aaiiaaffa"],
  dnnl_eltwise_backward_primitive_desc_create: ["i", "aaiaaaffaa"],
  dnnl_binary_primitive_desc_create: ["i", "aaiaaaa"],
  dnnl_reduction_primitive_desc_create: ["i", "aaiaaffa"],
  dnnl_softmax_forward_primitive_desc_create: ["i", "aaiiaaia"],
  dnnl_softmax_backward_primitive_desc_create: ["i", "aaiaaaiaa"],
  dnnl_layer_normalization_forward_primitive_desc_create: ["i", "aaiaaafua"],
  dnnl_layer_normalization_backward_primitive_desc_create: ["i", "aaiaaaafuaa"],
  dnnl_lstm_forward_primitive_desc_create: ["i", "aaiiaaaaaaaaaaaua"],
  dnnl_lstm_backward_primitive_desc_create: ["i", "aaiiaaaaaaaaaaaaaaaaaaaaaauaa"],
  dnnl_gru_forward_primitive_desc_create: ["i", "aaiiaaaaaaaua"],
  dnnl_gru_backward_primitive_desc_create: ["i", "aaiiaaaaaaaaaaaaaauaa"],
  dnnl_lbr_gru_forward_primitive_desc_create: ["i", "aaiiaaaaaaaua"],
  dnnl_lbr_gru_backward_primitive_desc_create: ["i", "aaiiaaaaaaaaaaaaaauaa"],
} as const satisfies Readonly<Record<string, Signature>>;

type Functions<T> = { readonly [K in keyof T]: NativeFunction };
export type CommonFunctions = Functions<typeof commonSignatures>;
export type Functions2 = Functions<typeof signatures2>;
export type Functions3 = Functions<typeof signatures3>;
