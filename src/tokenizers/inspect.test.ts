import { describe, expect, it } from "vitest";
import { inspectTokenizer } from "./inspect.ts";
import { WordPiece } from "./wordpiece.ts";

const tokenizer = WordPiece.fromVocabulary(["[PAD]", "[UNK]", "[unused0]", "un", "##able", "the", "##s", "t", "."]);

describe("inspectTokenizer", () => {
  it("counts by hand (catches unknown words counted as whole, and rates per piece)", async () => {
    const report = await inspectTokenizer(tokenizer, ["The unables.", "Zebra 😀 t"], { numSamples: 1, numLongest: 2 });
    expect(report).toMatchObject({
      vocabSize: 9,
      hash: tokenizer.hash,
      specialTokens: [
        { id: 0, token: "[PAD]" },
        { id: 1, token: "[UNK]" },
        { id: 2, token: "[unused0]" },
      ],
      numTexts: 2,
      // the · un ##able ##s · . · [UNK] · [UNK] · t
      numWords: 6,
      numPieces: 8,
      fertility: 8 / 6,
      unknownRate: 2 / 6,
      wholeWordRate: 3 / 6,
      charactersPerPiece: (12 + 9) / 8,
      usedEntries: 7,
      longestPieces: ["##able", "the"],
      samples: [{ text: "The unables.", tokens: ["the", "un", "##able", "##s", "."], ids: [5, 3, 4, 6, 8] }],
    });
  });

  it("gives the same for an iterator longer than a batch as for one text at a time", async () => {
    async function* lines(): AsyncGenerator<string> {
      for (let i = 0; i < 2_001; i++) yield "the unable";
    }
    const report = await inspectTokenizer(tokenizer, lines());
    expect([report.numTexts, report.numPieces, report.numWords]).toEqual([2_001, 6_003, 4_002]);
  });

  it("reports no rate where there is nothing to count (catches NaN shown as a figure of zero text)", async () => {
    const report = await inspectTokenizer(tokenizer, ["", " "]);
    expect([report.numPieces, report.unknownRate, report.fertility]).toEqual([0, 0, 0]);
    expect(report.charactersPerPiece).toBe(0);
  });
});
