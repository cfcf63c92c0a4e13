// The model that both sides of the fine-tuning comparison start from: random weights from a seed.

import { copyFileSync, mkdirSync } from "node:fs";
import { join } from "node:path";

/** Firth's public surface, built or (with tsx) from its sources. */
export const firth = (source) => import(source ? "../../src/index.ts" : "../../dist/index.js");

/** Writes config.json, model.safetensors and vocab.txt into a new folder. */
export async function saveStart(folder, { vocab, preset, seed, source }) {
  const { bert, bertConfig, loadTokenizer } = await firth(source);
  mkdirSync(folder, { recursive: true });
  copyFileSync(vocab, join(folder, "vocab.txt"));
  const { vocabSize } = await loadTokenizer(folder);
  const { family, ...state } = bert(bertConfig({ preset, vocabSize }), { seed });
  await family.save(folder, state);
}
