import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { byteCharacters, byteLevelText, tokenBytes } from "./byte-alphabet.ts";
import { ByteSplitter } from "./byte-splitter.ts";
import { library } from "./library.ts";
import { SpaceSplitter } from "./space-splitter.ts";
import type { Splitter } from "./splitter.ts";
import { sortSuffixes } from "./suffix-order.ts";
import { hostile } from "./testing.ts";
import { hashStart, hashUnit } from "./word-table.ts";

/** Words of both ways of a splitter, which must be the same. */
function wordsOf(splitter: Splitter, text: string): string[] {
  const words: string[] = [];
  splitter.forEachWord(text, (word) => words.push(word.toWellFormed()));
  const scanned: string[] = [];
  const units = new Uint16Array(10_000);
  const word = (length: number, hash: number): void => {
    const own = units.subarray(0, length);
    scanned.push(String.fromCharCode(...own));
    expect(hash).toBe(own.reduce(hashUnit, hashStart));
  };
  if (splitter.scan(text, { units, word })) expect(scanned).toEqual(words);
  return words;
}

describe("ByteSplitter", () => {
  for (const addPrefixSpace of [false, true]) {
    it(`splits as the library does, addPrefixSpace ${addPrefixSpace} (catches a newer table of Unicode, lost white space)`, () => {
      const splitter = new ByteSplitter({ addPrefixSpace });
      const preTokenizer = library().byteLevelPreTokenizer(addPrefixSpace, true);
      const check = (text: string): void => {
        const expected = preTokenizer.preTokenizeString(text.toWellFormed()).map(([word]) => word);
        expect(wordsOf(splitter, text).map(byteLevelText), JSON.stringify(text)).toEqual(expected);
      };
      // Every code point, 32 at a time, between letters, numbers and spaces; long runs of one kind here and there only.
      const uniform = [0x3500, 0x9f00, 0xad00, 0xd700, 0x12000, 0x1d000, 0x20000, 0xe0000, 0xe0200, 0x110000];
      for (let from = 0; from < (addPrefixSpace ? 0x3000 : 0x110000); from += 32) {
        if (uniform.findLastIndex((edge) => edge <= from) % 2 === 0 && from % 0x1000 !== 0) continue;
        let text = "";
        for (let point = from; point < from + 32; point++) text += `b${String.fromCodePoint(point)}1 `;
        check(text);
      }
      const parts = [
        "'s",
        "'S",
        "'",
        " '",
        "'ll",
        "'re",
        "'x",
        " ",
        "  ",
        "\n",
        "\t",
        "a",
        "É",
        "1",
        "½",
        "!",
        "—",
        "😀",
        "字",
      ];
      fc.assert(
        fc.property(fc.array(fc.constantFrom(...parts), { maxLength: 12 }), (list) => check(list.join(""))),
        { numRuns: 500 },
      );
      fc.assert(fc.property(hostile, check), { numRuns: 300 });
    });
  }
});

describe("SpaceSplitter", () => {
  it("splits as the library does (catches JavaScript's own white space, which has U+FEFF and lacks U+0085)", () => {
    const preTokenizer = library().whitespaceSplitPreTokenizer();
    const splitter = new SpaceSplitter();
    let text = "";
    for (let unit = 0; unit < 0x10000; unit++) text += `a${String.fromCharCode(unit)}`;
    const theirs = preTokenizer.preTokenizeString(text.toWellFormed()).map(([word]) => word);
    const words: string[] = [];
    splitter.forEachWord(text, (word) => words.push(word.toWellFormed()));
    expect(words).toEqual(theirs);
    fc.assert(
      fc.property(hostile, (some) => {
        const expected = preTokenizer.preTokenizeString(some.toWellFormed()).map(([word]) => word);
        expect(wordsOf(splitter, some)).toEqual(expected);
      }),
    );
  });
});

describe("byte alphabet", () => {
  it("is the library's, and turns any text into characters and back", () => {
    expect([...byteCharacters].sort()).toEqual(library().byteLevelAlphabet().sort());
    fc.assert(
      fc.property(hostile, (text) => {
        expect(Buffer.from(tokenBytes(byteLevelText(text))).toString("utf8")).toBe(text.toWellFormed());
      }),
    );
    expect(Array.from(tokenBytes("a b"))).toEqual([97, 32, 98]);
  });
});

describe("sortSuffixes", () => {
  it("sorts as a plain sort does, and counts what neighbours share (catches equal runs split, the separator passed)", () => {
    const words = fc.array(fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 1, maxLength: 9 }), { maxLength: 20 });
    fc.assert(
      fc.property(words, fc.integer({ min: 1, max: 6 }), (list, depth) => {
        const text = Uint32Array.from(list.flatMap((word) => [...word, 0]));
        const keyOf = (place: number): string => {
          const end = text.indexOf(0, place) + 1;
          return text.subarray(place, Math.min(place + depth, end)).join("");
        };
        const { places, shared } = sortSuffixes(text, depth);
        const all = [...text.keys()].filter((place) => text[place] !== 0);
        expect([...places].sort((a, b) => a - b)).toEqual(all);
        const keys = Array.from(places, keyOf);
        expect(keys).toEqual([...keys].sort());
        keys.forEach((key, i) => {
          if (i === 0) return;
          let length = 0;
          while (length < key.length && key[length] === keys[i - 1]![length]) length++;
          expect(shared[i]).toBe(length);
        });
      }),
      { numRuns: 300 },
    );
  });
});
