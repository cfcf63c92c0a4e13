import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { conllColumns, conllU, type TaggedSentence, type TaggedSource } from "./tagged-sentence.ts";

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "firth-tags-"));
});
afterAll(() => rm(root, { recursive: true, force: true }));

let files = 0;
async function fileOf(text: string): Promise<string> {
  const path = join(root, `${files++}.txt`);
  await writeFile(path, text);
  return path;
}

async function all(source: TaggedSource): Promise<TaggedSentence[]> {
  const list: TaggedSentence[] = [];
  for await (const sentence of source.sentences()) list.push(sentence);
  return list;
}

const row = (id: string, word: string, upos: string) =>
  [id, word, "_", upos, `X${upos}`, "_", "_", "_", "_", "_"].join("\t");

describe("CoNLL-U", () => {
  test("multiword tokens, empty nodes and comments are no words; their parts are (bug: don't counted thrice)", async () => {
    const lines = ["# text = I don't", row("1", "I", "PRON"), row("2-3", "don't", "_"), row("2", "do", "AUX")];
    const more = [row("3", "n't", "PART"), row("3.1", "know", "VERB"), "", "", row("1", "New York", "PROPN")];
    const file = await fileOf([...lines, ...more].join("\r\n"));
    expect(await all(conllU(file))).toEqual([
      { words: ["I", "do", "n't"], tags: ["PRON", "AUX", "PART"], line: 2 },
      { words: ["New York"], tags: ["PROPN"], line: 9 },
    ]);
    expect((await all(conllU(file, { tag: "xpos" })))[1]!.tags).toEqual(["XPROPN"]);
  });

  test("broken lines are named", async () => {
    await expect(all(conllU(await fileOf("1\tI\tPRON\n")))).rejects.toThrow("line 1: a word has 10 columns");
    const [noForm, noTag] = [row("1", "", "PRON"), row("1", "I", "")];
    await expect(all(conllU(await fileOf(noForm)))).rejects.toThrow("line 1: a word must have its form (column 2)");
    await expect(all(conllU(await fileOf(noTag)))).rejects.toThrow("line 1: a word must have its upos (column 4)");
    await expect(all(conllU(await fileOf(row("x", "I", "PRON"))))).rejects.toMatchObject({ code: "CONLLU_ID" });
    await expect(all(conllU(await fileOf("# only\n")))).rejects.toMatchObject({ code: "DATA_EMPTY" });
  });
});

describe("columns", () => {
  test("tabs or spaces, lines of white space, document lines, hashtags (bug: #tag taken for a comment)", async () => {
    const file = await fileOf("-DOCSTART- -X- O O\n\n#tag\tB-x\nis\tO\n\t\n\n👍\tO");
    expect(await all(conllColumns(file))).toEqual([
      { words: ["#tag", "is"], tags: ["B-x", "O"], line: 3 },
      { words: ["👍"], tags: ["O"], line: 7 },
    ]);
    const wide = await fileOf("EU NNP I-NP I-ORG\nrejects VBZ I-VP O\n");
    expect((await all(conllColumns(wide, { tagColumn: 1 })))[0]!.tags).toEqual(["NNP", "VBZ"]);
    await expect(all(conllColumns(await fileOf("a\tO\nb\n")))).rejects.toThrow("line 2: must have a word");
  });
});

const shared = fileURLToPath(new URL("../../../shared/data/", import.meta.url));
describe.skipIf(!existsSync(shared))(
  "real files have as many sentences and words as counted (skipped without shared data)",
  () => {
    test.each([
      [conllU(join(shared, "ud_en_ewt/en_ewt-ud-dev.conllu.gz")), 2001, 25147],
      [conllU(join(shared, "ud_zh_gsdsimp/zh_gsdsimp-ud-dev.conllu.gz")), 500, 12663],
      [conllColumns(join(shared, "wnut17/wnut17train.conll.gz")), 3394, 62730],
      [conllColumns(join(shared, "ncbi_disease/devel.tsv")), 923, 23969],
    ])("%o", async (source, numSentences, numWords) => {
      const sentences = await all(source);
      expect([sentences.length, sentences.reduce((sum, { words }) => sum + words.length, 0)]).toEqual([
        numSentences,
        numWords,
      ]);
    });
  },
);
