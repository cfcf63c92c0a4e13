import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createOnnxBackend } from "../backend/onnx/onnx-backend.ts";
import { tsv } from "../data/delimited.ts";
import { parsePromptTemplate } from "../generation/prompt-template.ts";
import { bertConfig } from "../models/bert/config.ts";
import { bert } from "../models/bert/family.ts";
import { gpt2Config } from "../models/gpt2/config.ts";
import { gpt2 } from "../models/gpt2/family.ts";
import { Bpe } from "../tokenizers/bpe.ts";
import { WordPiece } from "../tokenizers/wordpiece.ts";
import { generate, generationSettings, openGenerator } from "./generate.ts";
import { likelihoods, perplexity, prompt } from "./likelihood.ts";
import { loadPretrained } from "./load.ts";
import { saveModel } from "./model.ts";

const engine = await createOnnxBackend({ threads: 1 });
const folder = mkdtempSync(join(tmpdir(), "firth-generate-"));
const path = (name: string): string => join(folder, name);
const lines = ["the cat sat on the mat", "a dog ran over the hill", "good film, bad film, small man"];

beforeAll(async () => {
  const tokenizer = await Bpe.train(lines, { vocabSize: 290, byteLevel: true });
  const small = { vocabSize: tokenizer.vocabSize, maxPositionEmbeddings: 128, hiddenSize: 32, numHiddenLayers: 2 };
  const config = gpt2Config({ ...small, numAttentionHeads: 2, initializerRange: 0.3 });
  await saveModel(path("gpt2"), { ...gpt2(config, { seed: 1 }), tokenizer });
  const words = await WordPiece.train(lines, { vocabSize: 80 });
  const reader = { vocabSize: words.vocabSize, hiddenSize: 32, numHiddenLayers: 1, numAttentionHeads: 2 };
  const unilm = bertConfig({ ...reader, intermediateSize: 64, typeVocabSize: 6 });
  await saveModel(path("unilm"), { ...bert(unilm, { seed: 1 }), tokenizer: words });
});
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  await engine.dispose();
});

test("a model directory writes; a text and its ids are one prompt", async () => {
  const model = await loadPretrained(path("gpt2"));
  const [encoded] = await model.tokenizer.encodeIds(["the cat"]);
  const [byText, byIds] = await generate(model, ["the cat", encoded!.ids], { engine, maxNewTokens: 6 });
  expect(byText).toEqual(byIds);
  // The start token changes what is read; an empty prompt cannot do without it.
  const [started] = await generate(model, ["the cat"], { engine, maxNewTokens: 6, startToken: true });
  const begin = model.tokenizer.special.bos!;
  const [again, empty] = await generate(model, [[begin, ...encoded!.ids], ""], { engine, maxNewTokens: 6 });
  expect(started).toEqual(again);
  expect(empty).toEqual((await generate(model, [[begin]], { engine, maxNewTokens: 6 }))[0]);
});

test("generation_config.json gives what was not said, and what does nothing is left out", async () => {
  const file = path("gpt2/generation_config.json");
  const config = { max_new_tokens: 3, top_k: 50, do_sample: false, num_beams: 2, eos_token_id: 7, min_length: 5 };
  writeFileSync(file, JSON.stringify({ ...config, temperature: null, transformers_version: "5" }));
  const settings = await generationSettings(path("gpt2"), { lengthPenalty: 0.5 });
  const known = { maxNewTokens: 3, numBeams: 2, doSample: false, eosTokenIds: [7], lengthPenalty: 0.5 };
  expect(settings).toEqual(known);
  expect(await generationSettings(path("gpt2"), { numBeams: 1, doSample: true })).toEqual({
    ...{ maxNewTokens: 3, numBeams: 1, doSample: true, eosTokenIds: [7], topK: 50 },
  });
  writeFileSync(file, JSON.stringify({ num_beams: 0 }));
  await expect(generationSettings(path("gpt2"))).rejects.toThrow(/num_beams/);
  rmSync(file);
  const model = await loadPretrained(path("gpt2"));
  const [texts] = await generate(model, ["a dog"], { engine, ...settings });
  expect(texts).toHaveLength(1);
  expect(texts![0]!.tokens.length).toBeLessThanOrEqual(3);
});

test("UniLM answers a source, a text at a time or several; it has no likelihood", async () => {
  const model = await loadPretrained(path("unilm"));
  const generator = await openGenerator(model, { engine });
  const together = await generator.generate(["the cat", "a dog ran over"], { maxNewTokens: 5, eosTokenIds: [] });
  const apart = [
    ...(await generator.generate(["the cat"], { maxNewTokens: 5, eosTokenIds: [] })),
    ...(await generator.generate(["a dog ran over"], { maxNewTokens: 5, eosTokenIds: [] })),
  ];
  expect(together.map(([text]) => text!.tokens)).toEqual(apart.map(([text]) => text!.tokens));
  expect(together[0]![0]!.tokens).toHaveLength(5);
  await generator.dispose();
  const scored = likelihoods(model, [{ context: "a", options: ["b", "c"] }], { engine });
  await expect(scored).rejects.toMatchObject({ code: "MODEL_CANNOT_SCORE" });
});

test("answers are the likeliest options, counted against the table's", async () => {
  const model = await loadPretrained(path("gpt2"));
  const rows = ["the cat\tpos", "a dog\tneg", "the hill\tpos", "small man\tneg", "good film\tpos"];
  writeFileSync(path("data.tsv"), `sentence\tlabel\n${rows.join("\n")}\n`);
  const template = parsePromptTemplate(
    "example: 'Review: {sentence} Mood:{answer}'\nanswer: label\noptions: { pos: ' good', neg: ' bad' }",
    "template.yaml",
  );
  const result = await prompt(model, template, tsv(path("data.tsv")), { engine });
  expect(result.answers.map(({ expected, line }) => [expected, line])).toEqual([
    ...["pos", "neg", "pos", "neg", "pos"].map((label, i) => [label, i + 2]),
  ]);
  const contexts = rows.map((row) => `Review: ${row.split("\t")[0]} Mood:`);
  const found = await likelihoods(
    model,
    contexts.map((context) => ({ context, options: [" good", " bad"] })),
    { engine, batchSize: 2 },
  );
  const best = found.map(([good, bad]) => (good!.logLikelihood >= bad!.logLikelihood ? "pos" : "neg"));
  expect(result.answers.map(({ answer }) => answer)).toEqual(best);
  const right = best.filter((answer, i) => answer === result.answers[i]!.expected).length;
  expect(result.accuracy).toBe(right / 5);
  const shown = await prompt(model, template, tsv(path("data.tsv")), {
    ...{ engine, shots: 2, limit: 3, seed: 4 },
    examples: tsv(path("data.tsv")),
  });
  expect(shown.numRows).toBe(3);
  await expect(prompt(model, template, tsv(path("data.tsv")), { engine, shots: 1 })).rejects.toThrow(/examples/);
});

test("perplexity of text counts its bytes, and its first token with a start token", async () => {
  const model = await loadPretrained(path("gpt2"));
  const text = "the cat sat on the mat. a dog ran over the hill €";
  const plain = await perplexity(model, text, { engine, maxLength: 16, stride: 8 });
  expect(plain.bitsPerByte).toBeCloseTo((plain.nll * plain.numTokens) / Math.LN2 / Buffer.byteLength(text), 6);
  const started = await perplexity(model, text, { engine, maxLength: 16, stride: 8, startToken: true });
  expect(started.numTokens).toBe(plain.numTokens + 1);
});
