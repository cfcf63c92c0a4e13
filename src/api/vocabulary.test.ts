import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createReferenceBackend } from "../backend/reference/reference-backend.ts";
import { randomNumbers } from "../models/adapter/testing.ts";
import { loadTokenizer } from "../tokenizers/load.ts";
import { tinyModel, vocabularyLogits, wordTokenizer } from "../transfer/vocabulary/testing.ts";
import { loadClassifier, loadPretrained, saveClassifier } from "./load.ts";
import { saveModel } from "./model.ts";
import { saveRetrievalModel } from "./retrieval-model.ts";
import { addVocabulary, extendPositionTable, swapVocabulary, symbolVocabulary } from "./vocabulary.ts";

const backend = createReferenceBackend();
let root: string;
let pretrained: string;
let classifier: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "firth-vocabulary-"));
  [pretrained, classifier] = [join(root, "pretrained"), join(root, "classifier")];
  const model = tinyModel("bert", wordTokenizer());
  await saveModel(pretrained, model);
  const module = model.family.classification(model.config, 2);
  const labelled = { ...model, module, weights: randomNumbers(module, 4), labels: ["no", "yes"], maxSeqLength: 12 };
  await saveClassifier(classifier, labelled, (temporary) => writeFile(join(temporary, "task.json"), '{"task":"x"}\n'));
});
afterAll(async () => {
  await backend.dispose();
  await rm(root, { recursive: true, force: true });
});

/** All files of a folder by what is in them. */
async function contents(folder: string): Promise<Record<string, string>> {
  const entries = await readdir(folder, { withFileTypes: true });
  const names = entries.flatMap((entry) => (entry.isFile() ? [entry.name] : [])).sort();
  const hash = async (name: string) =>
    createHash("sha256")
      .update(await readFile(join(folder, name)))
      .digest("hex");
  return Object.fromEntries(await Promise.all(names.map(async (name) => [name, await hash(name)])));
}

const configOf = async (folder: string) => JSON.parse(await readFile(join(folder, "config.json"), "utf8"));

test("added tokens make a new directory that gives the same for old texts; the source stays (bug: a tokenizer saved without the tokens)", async () => {
  const before = await contents(pretrained);
  const outputDir = join(root, "added");
  const result = await addVocabulary(pretrained, { tokens: ["promoters"], outputDir });
  expect(result).toEqual({
    folder: outputDir,
    vocabSize: 20,
    added: [{ token: "promoters", id: 19, pieces: ["pro", "##moter", "##s"] }],
  });
  expect(await contents(pretrained)).toEqual(before);
  const [old, fresh] = [await loadPretrained(pretrained), await loadPretrained(outputDir)];
  expect(fresh.newParameters).toEqual([]);
  expect(await configOf(outputDir)).toEqual({ ...(await configOf(pretrained)), vocab_size: 20 });
  const ids = (await fresh.tokenizer.encodeIds(["the promoters"]))[0]!.ids;
  expect([...ids]).toEqual([fresh.tokenizer.tokenToId("the"), 19]);
  const settings = JSON.parse(await readFile(join(outputDir, "tokenizer_config.json"), "utf8"));
  expect(settings.added_tokens_decoder["19"]).toMatchObject({ content: "promoters", special: false });
  const sequence = [2, 7, 8, 3];
  const [one, other] = [
    await vocabularyLogits(backend, old, sequence),
    await vocabularyLogits(backend, fresh, sequence),
  ];
  for (let place = 0; place < 4; place++) {
    expect(other.slice(place * 20, place * 20 + 19)).toEqual(one.slice(place * 19, place * 19 + 19));
  }
});

test("a classifier keeps its classes, its longest text and what is said of its task (bug: saved as a pre-trained model)", async () => {
  const outputDir = join(root, "symbols");
  const { symbols, vocabSize } = await symbolVocabulary(classifier, { alphabet: "ACGT", seed: 3, outputDir });
  expect(vocabSize).toBe(9);
  const model = await loadClassifier(outputDir);
  expect(model).toMatchObject({ labels: ["no", "yes"], maxSeqLength: 12, newParameters: [] });
  expect(await readFile(join(outputDir, "task.json"), "utf8")).toBe('{"task":"x"}\n');
  expect(JSON.parse(await readFile(join(outputDir, "symbols.json"), "utf8"))).toEqual({
    rows: "tokens",
    seed: 3,
    symbols,
  });
  const ids = (await model.tokenizer.encodeIds(["GATTACA"]))[0]!.ids;
  expect([...ids].map((id) => model.tokenizer.idToToken(id)).join("")).toBe("gattaca");
  expect(existsSync(join(outputDir, "vocab.txt"))).toBe(false);
});

test("another tokenizer, and longer positions (bug: the longest text of the tokenizer's settings stays below)", async () => {
  const tokenizer = join(root, "tokenizer");
  const { WordPiece } = await import("../tokenizers/wordpiece.ts");
  await WordPiece.fromVocabulary(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "plots"]).save(tokenizer);
  const swapped = join(root, "swapped");
  const report = await swapVocabulary(pretrained, { tokenizer: await loadTokenizer(tokenizer), outputDir: swapped });
  expect(report).toMatchObject({ vocabSize: 7, shared: 6, fromPieces: 1, dropped: 12 });
  const longer = join(root, "longer");
  const positions = await extendPositionTable(swapped, { maxPositionEmbeddings: 64, outputDir: longer });
  expect(positions).toEqual({ folder: longer, before: 16, maxPositionEmbeddings: 64 });
  expect(await configOf(longer)).toMatchObject({ vocab_size: 7, max_position_embeddings: 64 });
  expect((await loadPretrained(longer)).tokenizer.hash).toBe((await loadTokenizer(tokenizer)).hash);
});

test("a bare encoder stays one, with what sentence-transformers keeps beside it (bug: heads from a seed, written as if trained)", async () => {
  const bare = join(root, "bare");
  const model = tinyModel("bert", wordTokenizer());
  await saveRetrievalModel(bare, { ...model, sentence: { pooling: "mean", maxSeqLength: 12, normalize: true } });
  const outputDir = join(root, "bare-added");
  await addVocabulary(bare, { tokens: ["promoters"], outputDir });
  const { newParameters } = await loadPretrained(bare);
  expect(newParameters).toContain("maskedLm.bias");
  expect((await loadPretrained(outputDir)).newParameters).toEqual(newParameters);
  const [before, after] = [await contents(bare), await contents(outputDir)];
  expect(after["modules.json"]).toBe(before["modules.json"]);
  expect(await readFile(join(outputDir, "1_Pooling/config.json"), "utf8")).toBe(
    await readFile(join(bare, "1_Pooling/config.json"), "utf8"),
  );
});

test("what cannot be done leaves nothing behind, and a folder that exists is not touched (bug: half a model, or the source overwritten)", async () => {
  const before = await contents(pretrained);
  const names = (await readdir(root)).sort();
  const outputDir = join(root, "none");
  await expect(addVocabulary(pretrained, { tokens: ["good"], outputDir })).rejects.toThrow(/in the vocabulary already/);
  await expect(extendPositionTable(pretrained, { maxPositionEmbeddings: 8, outputDir })).rejects.toThrow(
    /above the model's 16/,
  );
  await expect(symbolVocabulary(pretrained, { alphabet: "", outputDir })).rejects.toThrow(/one symbol at least/);
  const taken = expect.objectContaining({ code: "OUTPUT_EXISTS" });
  await expect(addVocabulary(pretrained, { tokens: ["new"], outputDir: pretrained })).rejects.toThrow(taken);
  await expect(addVocabulary(pretrained, { tokens: ["new"], outputDir: classifier })).rejects.toThrow(taken);
  expect((await readdir(root)).sort()).toEqual(names);
  expect(await contents(pretrained)).toEqual(before);
});
