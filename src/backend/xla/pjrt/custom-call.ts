/** @file Fused kernels that a platform's compiler knows by the name of a custom call. */
import type { PjrtClient } from "./client.ts";

/** Attention of cuDNN, forward and backward. @source jax/_src/cudnn/fused_attention_stablehlo.py */
export const cudnnAttention = ["", "ScaleBias"].flatMap((scaled) =>
  ["Softmax", "SoftmaxDropout"].flatMap((kind) => [
    `__cudnn$fmha${scaled}${kind}`,
    `__cudnn$fmha${scaled}${kind}Backward`,
  ]),
);

/** The oldest GPUs on which cuDNN has these kernels (Ampere). */
const LEAST_CAPABILITY = 8;

/** Names that the compiler of a client has kernels for. */
export function customCallsOf({ platform, devices }: PjrtClient): ReadonlySet<string> {
  if (platform !== "cuda") return new Set();
  const capability = devices[0]?.attributes.get("compute_capability");
  const isNew = typeof capability === "string" && Number.parseFloat(capability) >= LEAST_CAPABILITY;
  return new Set(isNew ? cudnnAttention : []);
}
