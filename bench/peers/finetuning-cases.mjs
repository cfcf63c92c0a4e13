// What is compared in fine-tuning.

/** Tasks: where their rows are, which columns hold what, and how many steps each side makes. */
export const tasks = {
  "sst-2": { file: "sst2/train.tsv", header: false, label: 1, texts: [0], steps: 8 },
  mrpc: { file: "mrpc/msr-para-train.tsv", header: true, label: 0, texts: [3, 4], steps: 4 },
};

/** Our engines for each dtype of the peer: the best of them is compared. */
export const engines = { f32: ["onnx", "onednn"], bf16: ["onednn"] };

/** Least ratio of examples a second, ours over the peer's, by the best engine of the same dtype. */
export const target = 1.5;
