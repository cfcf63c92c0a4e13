/**
 * @file The functions of TensorFlow's C interface that Firth calls; all are there since 2.4.
 *
 * Pointers are plain numbers: user addresses of 64-bit systems stay below 2⁵³.
 * @source tensorflow/c/c_api.h, tf_status.h, tf_tensor.h, eager/c_api.h
 */

/** p pointer, i int, u unsigned char, s C string in, z size_t, v nothing; the result comes first */
export const signatures = {
  TF_Version: "p",
  TF_NewStatus: "p",
  TF_DeleteStatus: "vp",
  TF_GetCode: "ip",
  TF_Message: "pp",
  TF_AllocateTensor: "pipiz",
  TF_DeleteTensor: "vp",
  TF_TensorData: "pp",
  TF_TensorByteSize: "zp",
  TFE_NewContextOptions: "p",
  TFE_ContextOptionsSetConfig: "vppzp",
  TFE_DeleteContextOptions: "vp",
  TFE_NewContext: "ppp",
  TFE_DeleteContext: "vp",
  TFE_ContextAddFunctionDef: "vppzp",
  TFE_ContextRemoveFunction: "vpsp",
  TFE_NewTensorHandle: "ppp",
  TFE_DeleteTensorHandle: "vp",
  TFE_TensorHandleResolve: "ppp",
  TFE_NewOp: "ppsp",
  TFE_DeleteOp: "vp",
  TFE_OpSetDevice: "vpsp",
  TFE_OpAddInput: "vppp",
  TFE_Execute: "vpppp",
} as const;

export type FunctionName = keyof typeof signatures;

/** A C function over numbers and strings. */
export interface NativeFunction {
  (...given: readonly (number | string)[]): number;
  /** Runs it in another thread; the last argument is called when it is done. */
  async(...given: readonly (number | string | ((error: unknown, result: number) => void))[]): void;
}

export type Functions = { readonly [K in FunctionName]: NativeFunction };

/** `TF_DataType`. */
export const dataTypes = { f32: 1, f64: 2, i32: 3, i8: 6, bool: 10, bf16: 14, f16: 19, u32: 22 } as const;

/** `TF_Code`, as far as Firth tells them apart. */
export const codes = { ok: 0, invalidArgument: 3, notFound: 5, resourceExhausted: 8, unimplemented: 12 } as const;
