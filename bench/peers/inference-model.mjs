// The classifier that all sides of the inference comparison run: random weights from a seed, in Hugging Face's layout.

import { copyFileSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { firth } from "./firth-start.mjs";

/**
 * Writes config.json, model.safetensors, vocab.txt and tokenizer.json into a new folder.
 * @param {{ vocab: string | undefined, corpus: string[], preset: string, seed: number, source: boolean }} options `vocab` is a
 *   WordPiece vocabulary; without one, a vocabulary is learnt from `corpus`
 */
export async function saveInferenceModel(folder, { vocab, corpus, preset, seed, source }) {
  const { bert, bertConfig, bertFamily, loadTokenizer, nn, saveClassifier, WordPiece } = await firth(source);
  mkdirSync(folder, { recursive: true });
  if (vocab !== undefined) copyFileSync(vocab, join(folder, "vocab.txt"));
  const tokenizer =
    vocab === undefined ? await WordPiece.train(corpus, { vocabSize: 30_522 }) : await loadTokenizer(folder);
  // The table of words has BERT's size even where the learnt vocabulary is smaller.
  const config = bertConfig({ preset, vocabSize: Math.max(30_522, tokenizer.vocabSize) });
  const encoder = bert(config, { seed }).weights;
  const module = bertFamily.classification(config, 2);
  // Large weights in the head, so that sides that compute different functions give different answers.
  const head = (size) => Float32Array.from({ length: size }, (_, i) => Math.sin(1 + i));
  const weights = new Map(
    [...nn.namedParameters(module)].map(([name, { shape }]) => [
      name,
      encoder.get(name) ?? head(shape.reduce((a, b) => a * b, 1)),
    ]),
  );
  const labels = ["negative", "positive"];
  await saveClassifier(folder, { family: bertFamily, config, module, weights, tokenizer, labels, maxSeqLength: 128 });
}
