// What the inference comparison runs, and what is to be reached.

/** Works: how a side's times are taken, and which peers take part. */
export const works = {
  request: {
    title: "One request of 30 tokens",
    protocol: { rounds: 8, block: 24, settle: 4 },
    ours: ["none", "int8", "onednn", "bf16"],
    peers: ["pytorch-f32", "pytorch-bf16", "pytorch-int8", "transformers-js", "tfjs"],
  },
  sst2: {
    title: "SST-2 dev, all texts",
    protocol: { rounds: 3, block: 2, settle: 0 },
    ours: ["none", "int8", "onednn", "bf16"],
    peers: ["pytorch-f32", "pytorch-bf16", "pytorch-int8", "transformers-js"],
  },
  encoder: {
    title: "Forward of 8 texts of 128 tokens",
    protocol: { rounds: 3, block: 2, settle: 0 },
    ours: ["none", "int8", "bf16"],
    peers: ["tfjs", "transformers-js"],
  },
};

/** Least ratio of a peer's time to ours; a latency of at most 0.8 of the peer's is a ratio of 1.25. */
export function targetOf(work, ours, peer) {
  if (peer === "tfjs") return ours === "none" ? 5 : undefined;
  if (peer !== "pytorch-f32" && peer !== "transformers-js") return undefined;
  if (work === "request") return ours === "int8" ? 1 / 0.4 : 1 / 0.8;
  if (work === "sst2") return ours === "int8" ? 3 : 1.5;
  return undefined;
}
