import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { WordPiece } from "../../../tokenizers/wordpiece.ts";
import type { ObjectiveSettings } from "./choice.ts";
import { knowledgeChoice } from "./knowledge.ts";

const words = ["we", "saw", "new", "york", "by", "no", "means"];
const tokenizer = WordPiece.fromVocabulary(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ...words]);
let folder: string;
let spans: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "firth-knowledge-"));
  spans = join(folder, "spans.tsv");
  await writeFile(spans, "New York\tentity\t9\nby no means\tphrase\t7\n");
});
afterAll(() => rm(folder, { recursive: true }));

const settings = (given: Readonly<Record<string, unknown>>) =>
  knowledgeChoice.table.resolve({ spans, ...given } as never) as unknown as ObjectiveSettings;

test("a recipe's settings reach the objective, the span file by its contents (bug: another file, the same run)", async () => {
  const built = async (given: Readonly<Record<string, unknown>>) =>
    (await knowledgeChoice.build(settings(given), tokenizer)).settings;
  const one = await built({ stage: "entity", basicShare: 0.5, phraseShare: 0.25 });
  expect(one).toMatchObject({
    stage: "entity",
    shares: { basic: 0.5, phrase: 0.25, entity: 0.25 },
    maskProbability: 0.15,
  });
  expect(one).not.toHaveProperty("spans");
  const other = join(folder, "other.tsv");
  await writeFile(other, "we saw\tentity\nby no means\tphrase\n");
  expect((await built({ spans: other })).lexicon).not.toEqual(one.lexicon);
});

test("wrong shares and a span file that is none are refused", async () => {
  expect(() => settings({ basicShare: 0.8, phraseShare: 0.4 })).toThrow("must sum to at most 1; got 0.8 and 0.4");
  await expect(knowledgeChoice.build(settings({ spans: join(folder, "none.tsv") }), tokenizer)).rejects.toMatchObject({
    code: "FILE_MISSING",
  });
});
