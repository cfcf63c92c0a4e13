import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { storedNumbers } from "../../../tests/support/stored-numbers.ts";
import { namedParameters } from "../../nn/module.ts";
import { robertaConfig } from "./config.ts";
import { roberta, robertaFamily } from "./family.ts";
import { RobertaForMaskedLm } from "./model.ts";

const fixtures = fileURLToPath(new URL("../../../tests/fixtures/roberta/", import.meta.url));
let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "firth-roberta-"));
});
afterAll(() => rm(root, { recursive: true }));

const json = async (folder: string) => JSON.parse(await readFile(join(folder, "config.json"), "utf8"));

test("the longest sequence is what the position table has behind the padding id (bug: 514 tokens taken for usable)", () => {
  expect(robertaFamily.facts(robertaConfig()).maxPositionEmbeddings).toBe(512);
  const own = robertaFamily.configure(
    { maxPositionEmbeddings: 20 },
    { vocabSize: 100, special: { pad: 4, bos: 5, eos: 6 } },
  );
  expect(own).toMatchObject({ padTokenId: 4, bosTokenId: 5, eosTokenId: 6, vocabSize: 100 });
  expect(robertaFamily.facts(own).maxPositionEmbeddings).toBe(15);
  expect(() => robertaConfig({ maxPositionEmbeddings: 8, padTokenId: 7 })).toThrow(
    "must be at least padTokenId + 2, 9; got 8",
  );
});

test("the published sizes have the published numbers of parameters (bug: a pooler, a second decoder, missing rows)", () => {
  // RobertaForMaskedLM of roberta-base and roberta-large, the tied decoder counted once.
  const published = { base: 124_697_433, large: 355_412_057 };
  for (const [preset, expected] of Object.entries(published)) {
    const parameters = namedParameters(new RobertaForMaskedLm(robertaConfig({ preset })));
    const total = [...parameters.values()].reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
    expect(total, preset).toBe(expected);
  }
});

test.each(["masked-lm", "sequence-classification"])(
  "%s: config.json and weights come back as they were",
  async (name) => {
    const source = join(fixtures, name);
    const target = await mkdtemp(join(root, "saved-"));
    if (name === "masked-lm") await robertaFamily.save(target, await robertaFamily.loadPretraining(source, 1));
    else {
      const { labels, ...loaded } = await robertaFamily.loadClassification(source, 1);
      await robertaFamily.save(target, loaded, { labels });
    }
    expect(await json(target)).toEqual({ ...(await json(source)), classifier_dropout: null });
    expect(await storedNumbers(target)).toEqual(await storedNumbers(source));
  },
);

test("the decoder is the word embedding, and no pooler is written (bug: tensors that transformers does not know)", async () => {
  const config = robertaConfig({ preset: "tiny", vocabSize: 50, hiddenSize: 8, intermediateSize: 8 });
  const model = roberta(config, { seed: 1 });
  const module = model.module as RobertaForMaskedLm;
  expect(module.maskedLm.decoder).toBe(module.encoder.embeddings.wordEmbeddings.weight);
  const target = await mkdtemp(join(root, "new-"));
  await robertaFamily.save(target, model);
  const names = [...(await storedNumbers(target)).keys()];
  expect(names.filter((name) => /pooler|decoder/.test(name))).toEqual([]);
  expect(names).toContain("roberta.embeddings.token_type_embeddings.weight");
});
