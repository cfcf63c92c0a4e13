// What is compared in pre-training: the works, our engines, the peers, and the figures to reach.

/** Peers that are run without torch.compile only, unless others are asked for. */
const eager = ["torch-f32", "torch-bf16"];

/**
 * Pre-training steps, each of its family's objective; BART's source is as long as its target. `block` and `settle`: steps a
 * turn, and how many of them are not counted; `peers`: those it is compared with unless others are asked for.
 */
export const works = [
  { name: "base-8x128", model: "bert-base", vocab: 30522, batch: 8, seq: 128, rounds: 5, block: 1, settle: 0 },
  { name: "base-2x512", model: "bert-base", vocab: 30522, batch: 2, seq: 512, rounds: 5, block: 1, settle: 0 },
  { name: "mini-32x128", model: "bert-mini", vocab: 8192, batch: 32, seq: 128, rounds: 4, block: 4, settle: 1 },
  {
    ...{ name: "bart-base-8x128", model: "bart-base", vocab: 50265, batch: 8, seq: 128 },
    ...{ rounds: 5, block: 1, settle: 0, peers: eager },
  },
  {
    ...{ name: "gpt2-small-4x256", model: "gpt2-small", vocab: 50257, batch: 4, seq: 256 },
    ...{ rounds: 5, block: 1, settle: 0, peers: eager },
  },
];

/** Memory in GB, roughly, by model: it decides which sides are loaded together. */
const memory = (bertBase, bertMini, writing) => ({
  ...{ "bert-base": bertBase, "bert-mini": bertMini },
  ...{ "bart-base": writing, "gpt2-small": writing },
});

/** Our engines and dtypes. */
export const engines = [
  { id: "onnx-f32", engine: "onnx", dtype: "f32", gigabytes: memory(4.9, 1.5, 5.5) },
  { id: "onednn-f32", engine: "onednn", dtype: "f32", gigabytes: memory(4.9, 1.5, 5.5) },
  { id: "onednn-bf16", engine: "onednn", dtype: "bf16", gigabytes: memory(4.4, 1.3, 5) },
];

/** PyTorch's ways. `stock` is transformers' own head with logits at every position, `gathered` the strongest form. */
export const peers = [
  { id: "torch-f32", head: "gathered", dtype: "f32", gigabytes: memory(3.9, 1.6, 5) },
  { id: "torch-f32-compile", head: "gathered", dtype: "f32", compile: true, gigabytes: memory(4.2, 1.9, 5.8) },
  { id: "torch-bf16", head: "gathered", dtype: "bf16", gigabytes: memory(3.8, 1.5, 5) },
  { id: "torch-bf16-compile", head: "gathered", dtype: "bf16", compile: true, gigabytes: memory(4.2, 1.9, 5.8) },
  { id: "torch-f32-stock", head: "stock", dtype: "f32", gigabytes: memory(4.1, 2.1, 5.8) },
];

/** Sides that are compared with each other in one go; four of BERT-base fit into 24 GB. */
export const comparisons = [
  { ours: ["onnx-f32", "onednn-bf16"], peers: ["torch-f32", "torch-f32-compile"] },
  { ours: ["onednn-bf16"], peers: ["torch-bf16", "torch-bf16-compile"] },
  { ours: ["onednn-f32"], peers: ["torch-f32"], works: ["base-8x128", "mini-32x128"] },
  { ours: ["onnx-f32"], peers: ["torch-f32-stock"], works: ["mini-32x128"] },
];

/** Least ratio "time of the peer ÷ ours" by model, our side and the peer's dtype. */
export const targets = {
  "bert-base": { "onnx-f32": { f32: 1.2 }, "onednn-bf16": { f32: 2.2, bf16: 1.2 } },
  "bert-mini": { "onnx-f32": { f32: 1.4 }, "onednn-bf16": { f32: 2.5, bf16: 1.5 } },
  "bart-base": { "onnx-f32": { f32: 1.2 }, "onednn-bf16": { bf16: 1.2 } },
  "gpt2-small": { "onnx-f32": { f32: 1.2 }, "onednn-bf16": { bf16: 1.2 } },
};

/** Highest rate of this kind of machine (2 cores with AVX512-BF16), 10⁹ operations a second, and the share to reach. */
export const hardwareLimits = { f32: { gflops: 235, share: 0.8 }, bf16: { gflops: 470, share: 0.75 } };

/** Largest share of a step that may pass outside the engine. */
export const outsideLimit = 0.03;
