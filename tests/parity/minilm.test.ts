import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { env } from "node:process";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { embed, finetune, loadPretrained, predict, textClassification } from "../../src/index.ts";
import { testTable } from "../../src/tasks/testing.ts";

const { texts, vectors, weights } = JSON.parse(
  readFileSync(fileURLToPath(new URL("../fixtures/minilm/embeddings.json", import.meta.url)), "utf8"),
) as { readonly texts: string[]; readonly vectors: number[][]; readonly weights: string };

/** Where the package's model lies, see tools/golden/minilm.py. */
const folder = env.FIRTH_TEST_MINILM ?? "";
const isThere = existsSync(join(folder, "model.safetensors"));
const title = isThere
  ? ""
  : " (skipped: FIRTH_TEST_MINILM names no model; tools/golden/minilm.py says where it is had)";

describe.skipIf(!isThere)(`all-MiniLM-L6-v2, a real pre-trained checkpoint${title}`, () => {
  it("gives transformers' sentence vectors (catches tensors read into the wrong layer, other pooling or tokens)", async () => {
    const bytes = readFileSync(join(folder, "model.safetensors"));
    expect(createHash("sha256").update(bytes).digest("hex"), "another checkpoint").toBe(weights);
    const model = await loadPretrained(folder);
    const own = await embed(model, texts);
    own.forEach((vector, i) => {
      const apart = Math.max(...vector.map((x, at) => Math.abs(x - vectors[i]![at]!)));
      expect(apart, texts[i]).toBeLessThan(1e-4);
    });
    const cosine = (a: number, b: number) => own[a]!.reduce((sum, x, at) => sum + x * own[b]![at]!, 0);
    expect(cosine(0, 1)).toBeGreaterThan(cosine(0, 2) + 0.3);
  });

  it("learns a task from a few sentences as only a pre-trained model can (catches weights that do not reach the task)", async () => {
    const food = ["soup", "bread", "cake", "rice", "cheese", "an apple", "noodles", "a steak"];
    const money = ["a loan", "shares", "taxes", "a bank", "interest", "a budget", "wages", "debt"];
    const rows = (list: readonly string[], label: string, from: number, to: number) =>
      list.slice(from, to).map((word) => ({ text: `Yesterday they talked about ${word}.`, label }));
    const part = (from: number, to: number) => [...rows(food, "food", from, to), ...rows(money, "money", from, to)];
    const model = await loadPretrained(folder);
    const task = textClassification({ tokenizer: model.tokenizer, maxSeqLength: 32 });
    const tables = { train: testTable("train.tsv", part(0, 4)), eval: testTable("eval.tsv", part(4, 8)) };
    const options = { maxSteps: 20, batchSize: 8, learningRate: 3e-4, seed: 1 };
    const tuned = await finetune(model, task, tables, options);
    // No word of the held-out sentences that tells their class was seen.
    expect(tuned.evaluation!.accuracy).toBeGreaterThanOrEqual(0.875);
    const [said] = await predict(tuned, ["Yesterday they talked about pancakes."]);
    expect(said!.label).toBe("food");
  });
});
