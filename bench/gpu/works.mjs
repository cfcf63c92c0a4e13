// What is measured on a GPU: steps, sides, and the figures to reach.

/** Dense bf16 products of an H200, measured with PyTorch on random data; the whole step's products are put beside it. */
export const peakTflops = 790;

const bert = { model: "bert-base", vocab: 30522, target: 1.2 };
const gpt2 = { model: "gpt2-small", vocab: 50257, batch: 16, seq: 1024, target: 1.1 };

/**
 * Pre-training steps of each family's objective on random tokens in full rows; BART's source is as long as its target.
 * `target`: least ratio of useful tokens a second to transformers under torch.compile in bf16. Works called …-fused have no
 * dropout of attention, on either side: with it Firth's attention is written out, since its masks are those of every engine.
 */
export const works = [
  { ...bert, name: "bert-base-128", batch: 256, seq: 128 },
  { ...bert, name: "bert-base-512", batch: 64, seq: 512 },
  { ...bert, name: "bert-base-512-fused", batch: 64, seq: 512, attentionDropout: 0 },
  {
    ...{ ...bert, name: "bert-large-512", model: "bert-large", batch: 32, seq: 512 },
    anchor: { sequencesPerSecond: 210, of: "an A100" },
  },
  { ...gpt2, name: "gpt2-small-1024" },
  { ...gpt2, name: "gpt2-small-1024-fused", attentionDropout: 0 },
  { name: "bart-base-512", model: "bart-base", vocab: 50265, batch: 32, seq: 512, target: 1.1 },
];

/** Parts that fit into ten minutes together. */
export const plans = {
  1: ["engine", "curve", "bert-base-128", "bert-base-512-fused", "finetuning"],
  2: ["bert-base-512", "bert-large-512", "gpt2-small-1024-fused"],
  3: ["gpt2-small-1024", "bart-base-512"],
};

/** Seconds that a part may take, and those under which none is begun. */
export const limits = { engine: 120, curve: 120, training: 200, finetuning: 240, least: 60 };

/** Small ones that a processor makes in seconds, to try the script where there is no GPU. */
export const trialWorks = [
  { name: "bert-tiny-32", model: "bert-tiny", vocab: 512, batch: 4, seq: 32, target: 1.2, attentionDropout: 0 },
  { name: "gpt2-tiny-32", model: "gpt2-tiny", vocab: 512, batch: 4, seq: 32, target: 1.1 },
  { name: "bart-tiny-32", model: "bart-tiny", vocab: 512, batch: 4, seq: 32, target: 1.1 },
];

/**
 * Firth, ways of PyTorch, and `jax`, which runs the graph that Firth made. `works`: those where a side is measured, all when left
 * out. Sides of group 2 come when those of group 1 have gone.
 */
export const sides = [
  { id: "firth", kind: "firth", label: "Firth" },
  { id: "compile-bf16", kind: "torch", dtype: "bf16", compile: true, label: "transformers bf16, torch.compile" },
  {
    id: "eager-bf16",
    kind: "torch",
    dtype: "bf16",
    compile: false,
    label: "transformers bf16, eager",
    group: 2,
    works: ["bert-base-128", "bert-base-512"],
  },
  {
    id: "jax",
    kind: "jax",
    label: "JAX, the same graph",
    group: 2,
    works: ["bert-base-128", "bert-base-512"],
  },
];

/** The side that ratios are taken against. */
export const comparedWith = "compile-bf16";

/** Fine-tuning on pairs of sentences as long as MRPC's, Firth's rows packed, the Trainer's padded to the longest of a batch. */
export const finetuning = { task: "mrpc", model: "base", batch: 32, steps: 20, target: 1.5 };

/** Loss over steps from the same weights, batches and dropout masks as the onnx engine's; greatest difference of one step. */
export const curve = { steps: 200, preset: "tiny", batch: 16, tolerance: { f32: 0.01, bf16: 0.1 } };

/** Greatest share of a step in which the host works. */
export const hostLimit = 0.03;
