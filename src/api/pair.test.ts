import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { randomWeights } from "../../tests/support/random-model.ts";
import type { Backend } from "../backend/backend.ts";
import { familyNamed } from "../models/families.ts";
import { openEngine } from "../runtime.ts";
import { testTokenizer } from "../tasks/testing.ts";
import { loadClassifier, saveClassifier } from "./load.ts";
import { type Prediction, predict } from "./predict.ts";

const tokenizer = testTokenizer();

let engine: Backend;
let folder: string;
beforeAll(async () => {
  engine = await openEngine({ threads: 1 });
  folder = await mkdtemp(join(tmpdir(), "firth-pair-"));
});
afterAll(async () => {
  await engine.dispose();
  await rm(folder, { recursive: true, force: true });
});

it.each(["bert", "roberta", "albert", "ernie", "gpt2", "openai-gpt", "bart"])(
  "%s reads pairs: in any company alike, and by both texts (bug: a second text that is cut off, another's tokens)",
  async (name) => {
    const family = familyNamed(name);
    const sizes = { hiddenSize: 16, numHiddenLayers: 2, numAttentionHeads: 2, maxPositionEmbeddings: 24 };
    const config = family.configure(sizes, { vocabSize: tokenizer.vocabSize, special: tokenizer.special });
    const module = family.classification(config, 2);
    // Large enough that the first token hears of all others.
    const weights = new Map([...randomWeights(module)].map(([part, data]) => [part, data.map((x) => 3 * x)]));
    const classifier = { family, config, module, weights, tokenizer };
    const target = join(folder, name);
    await saveClassifier(target, { ...classifier, labels: ["no", "yes"], maxSeqLength: 20 });
    const loaded = await loadClassifier(target);
    const pairs = [
      ["the good film", "so bad"],
      ["so bad", "the good film"],
      ["the good film", "so fine"],
      ["the poor film", "so bad"],
    ] as const;
    const together = await predict(loaded, pairs, { engine });
    const oddsOf = ({ probabilities }: Prediction): number => Math.log(probabilities.yes! / probabilities.no!);
    const odds = together.map(oddsOf);
    for (const [i, pair] of pairs.entries()) {
      const [alone] = await predict(loaded, [pair], { engine });
      expect(oddsOf(alone!)).toBeCloseTo(odds[i]!, 4);
    }
    for (const other of [1, 2, 3]) expect(Math.abs(odds[0]! - odds[other]!)).toBeGreaterThan(3e-4);
  },
);
