import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { bertConfig } from "../models/bert/config.ts";
import { bertFamily } from "../models/bert/family.ts";
import { initialWeights } from "../nn/weights.ts";
import { openStart, startClassifier } from "./start-classifier.ts";

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "firth-start-"));
});
afterAll(() => rm(root, { recursive: true, force: true }));

const config = bertConfig({
  ...{ vocabSize: 30, hiddenSize: 8, numHiddenLayers: 1, numAttentionHeads: 2, intermediateSize: 8 },
  maxPositionEmbeddings: 8,
});
const labels = ["no", "yes"];

test("a tagger's head is not taken for a classifier's of the same classes, whose tensors have the same names; its encoder is kept", async () => {
  const tagger = bertFamily.tokenClassification(config, labels.length);
  const weights = initialWeights(tagger, 5);
  await bertFamily.save(root, { config, module: tagger, weights }, { labels });
  const opened = await openStart(root, 1);
  expect(opened.labels).toBeUndefined();
  const started = startClassifier(opened, labels, { seed: 2, fromScratch: false });
  const fresh = initialWeights(started.module, 2);
  expect(started.weights.get("classifier.weight")).toEqual(fresh.get("classifier.weight"));
  expect(started.weights.get("classifier.weight")).not.toEqual(weights.get("tokenClassifier.weight"));
  const words = "encoder.embeddings.wordEmbeddings.weight";
  expect(started.weights.get(words)).toEqual(weights.get(words));
});

test("a classifier's head stays for the same classes, and is new for others", async () => {
  const folder = join(root, "classifier");
  const module = bertFamily.classification(config, labels.length);
  const weights = initialWeights(module, 6);
  await mkdir(folder);
  await bertFamily.save(folder, { config, module, weights }, { labels });
  const opened = await openStart(folder, 1);
  expect(opened.labels).toEqual(labels);
  const head = "classifier.weight";
  const options = { seed: 2, fromScratch: false };
  expect(startClassifier(opened, labels, options).weights.get(head)).toEqual(weights.get(head));
  expect(startClassifier(opened, ["yes", "no"], options).weights.get(head)).not.toEqual(weights.get(head));
});
