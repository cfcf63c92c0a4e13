// What is compared in fine-tuning.

/**
 * Tasks: where their items are, which columns hold what, how many steps each side makes, and the least ratio of examples a second,
 * ours over the peer's, that the best engine of the same dtype is to reach.
 */
export const tasks = {
  "sst-2": { kind: "texts", file: "sst2/train.tsv", header: false, label: 1, texts: [0], steps: 8, target: 1.5 },
  mrpc: {
    ...{ kind: "texts", file: "mrpc/msr-para-train.tsv", header: true, label: 0, texts: [3, 4] },
    ...{ steps: 4, target: 1.5 },
  },
  pos: { kind: "tags", file: "ud_en_ewt/en_ewt-ud-train.conllu", steps: 8, target: 1.3 },
  squad: {
    ...{ kind: "answers", file: "squadshifts/new_wiki_v1.0.json", maxLength: 384, stride: 128 },
    // The batch of transformers' own example; 32 windows of 384 tokens do not fit beside each other into 24 GB.
    ...{ batch: 12, steps: 4, target: 1.3, gigabytes: { ours: 10, peer: 10 } },
  },
};

/** What a task has where it says nothing else. */
export const usual = { maxLength: 128, batch: 32, gigabytes: { ours: 4.5, peer: 5 } };

/** Our engines for each dtype of the peer: the best of them is compared. */
export const engines = { f32: ["onnx", "onednn"], bf16: ["onednn"] };
