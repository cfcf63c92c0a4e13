import { expect, test } from "vitest";
import type { Tokenizer } from "../tokenizers/tokenizer.ts";
import { WordPiece } from "../tokenizers/wordpiece.ts";
import type { SpanEntry, SpanKind } from "./span-file.ts";
import { SpanLexicon } from "./span-lexicon.ts";

const vocabulary = [
  "[PAD]",
  "[UNK]",
  "[CLS]",
  "[SEP]",
  "[MASK]",
  "new",
  "york",
  "##er",
  "##ers",
  "times",
  "square",
  "in",
];
const tokenizer = WordPiece.fromVocabulary([...vocabulary, "北", "京", "大", "学", "生"]);
const entry = (text: string, kind: SpanKind): SpanEntry => ({ text, kind, count: 1 });

async function found(entries: readonly SpanEntry[], text: string, kind: SpanKind, by: Tokenizer = tokenizer) {
  const lexicon = await SpanLexicon.compile(entries, by);
  const [encoding] = await by.encodeIds([text]);
  const { ids, wordStarts } = encoding!;
  const spans = lexicon.match(ids, wordStarts, kind);
  return spans.map(([from, to]) => [...ids.subarray(from, to)].map((id) => by.idToToken(id)).join(" "));
}

test("the longest span wins, spans do not overlap, and kinds are apart (bug: the first match taken)", async () => {
  const entries = [entry("New York", "entity"), entry("New York Times", "entity"), entry("times square", "entity")];
  const text = "in new york times square in new york in times square";
  expect(await found(entries, text, "entity")).toEqual(["new york times", "new york", "times square"]);
  expect(await found(entries, text, "phrase")).toEqual([]);
  expect(await found([entry("new york", "phrase"), entry("new york", "entity")], text, "phrase")).toHaveLength(2);
});

test("a span ends where a word does (bug: New York found in New Yorkers)", async () => {
  expect(await found([entry("new york", "entity")], "in new yorkers", "entity")).toEqual([]);
  expect(await found([entry("new yorkers", "entity")], "in new yorkers", "entity")).toEqual(["new york ##ers"]);
});

test("Chinese words are found inside runs of characters", async () => {
  const entries = [entry("北京", "entity"), entry("北京大学", "entity"), entry("学生", "phrase")];
  expect(await found(entries, "在北京大学生", "entity")).toEqual(["北 京 大 学"]);
  expect(await found(entries, "北京大 学生", "phrase")).toEqual(["学 生"]);
});

/** Pieces carry the space before them, and letters have pieces of their own, as in byte-level BPE. */
const spaced = {
  specialIds: [0],
  encodeIds: async (texts: readonly string[]) =>
    texts.map((text) => {
      const pieces = text.match(/ ?[a-z]+/g) ?? [];
      const ids = Int32Array.from(pieces, (piece) => pieceIds.indexOf(piece));
      return { ids, wordStarts: Uint8Array.from(pieces, (piece, i) => Number(i === 0 || piece.startsWith(" "))) };
    }),
  idToToken: (id: number) => pieceIds[id],
} as unknown as Tokenizer;
const pieceIds = ["<s>", "new", " new", " york", " in", "york"];

test("pieces that carry their space are found at the front and inside (bug: only texts without space compiled)", async () => {
  const entries = [entry("new york", "entity")];
  expect(await found(entries, "new york in new york", "entity", spaced)).toEqual(["new  york", " new  york"]);
});

test("entries that the tokenizer cannot spell are left out and counted; the hash knows no order", async () => {
  const entries = [entry("new york", "entity"), entry("tokyo", "entity"), entry("times square", "phrase")];
  const lexicon = await SpanLexicon.compile(entries, tokenizer);
  expect(lexicon.numEntries).toEqual({ phrase: 1, entity: 1 });
  expect((await SpanLexicon.compile(entries.toReversed(), tokenizer)).hash).toBe(lexicon.hash);
  expect((await SpanLexicon.compile(entries.slice(1), tokenizer)).hash).not.toBe(lexicon.hash);
});
