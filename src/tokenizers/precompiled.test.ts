import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LibraryTokenizer } from "./library-tokenizer.ts";
import { reachesAcrossSpace } from "./precompiled.ts";
import { hostile } from "./testing.ts";
import type { IdEncoding } from "./tokenizer.ts";
import { Unigram } from "./unigram.ts";

const { charsmap } = JSON.parse(
  readFileSync(new URL("../../tests/fixtures/precompiled.json", import.meta.url), "utf8"),
) as { readonly charsmap: string };
const map = { type: "Precompiled", precompiled_charsmap: charsmap };
const quotes = { type: "Replace", pattern: { String: "``" }, content: '"' };
const runs = { type: "Replace", pattern: { Regex: " {2,}" }, content: " " };
const kinds: Readonly<Record<string, readonly unknown[]>> = {
  "as ALBERT": [quotes, { type: "NFKD" }, { type: "StripAccents" }, { type: "Lowercase" }, map, runs],
  "the map alone": [map],
  "accents kept": [quotes, { type: "NFC" }, map, { type: "NFKC" }, runs],
};

/** A tokenizer of many single characters, so that spellings show every one. */
const letters = [..."abcdefghijklmnopqrstuvwxyz0123456789\"#'.,/+´¨`éàA", "\u309b", "\u0301", "\u0308", "\u200d"];
const base = Unigram.fromVocabulary([
  ["<unk>", 0],
  ...["\u2581", ...letters].map((piece): [string, number] => [piece, -3]),
]);

function withNormalizers(normalizers: readonly unknown[]): { fast: Unigram; slow: LibraryTokenizer } {
  const json = JSON.parse(base.fileText) as Record<string, unknown>;
  const text = JSON.stringify({ ...json, normalizer: { type: "Sequence", normalizers } });
  return { fast: Unigram.fromText(text, "test"), slow: new LibraryTokenizer(text, "test") };
}

const hasCache = (tokenizer: Unigram): boolean => (tokenizer as unknown as { cache: unknown }).cache !== undefined;
const plain = ({ ids, wordStarts }: IdEncoding) => [[...ids], [...wordStarts]];

/** White space beside what extends it, what is prepended to it, and what only looks like either. */
const edges = fc
  .array(
    fc.oneof(
      fc.constantFrom(" ", "\u00a0", "\u3000", "\u000b", "\t", "\r\n", "\n", "\u2028", "\u200b", "  "),
      fc.constantFrom(
        "\u0301",
        "\u0308",
        "\u3099",
        "\uff9e",
        "\u200d",
        "\u200c",
        "\u0e33",
        "\u0903",
        "\u{1f3fb}",
        "\ufe0f",
      ),
      fc.constantFrom("\u0600", "\u06dd", "\u0d4e", "\u{110bd}", "\u{11a84}", "\u{11f02}"),
      fc.constantFrom(
        "a",
        "e",
        "``",
        "fi",
        "\ufb01",
        "\u00e9",
        "\u00a8",
        "\ufe71",
        "\u{1f44d}",
        "\u1100\u1161",
        "\ud800",
        "\u{1f1e6}",
      ),
    ),
    { maxLength: 12 },
  )
  .map((parts) => parts.join(""));

describe.each(Object.entries(kinds))("%s", (kind, normalizers) => {
  const { fast, slow } = withNormalizers(normalizers);

  it("spells hostile text as the library does (catches graphemes that reach across white space)", async () => {
    expect(hasCache(fast)).toBe(true);
    await fc.assert(
      fc.asyncProperty(fc.array(fc.oneof(edges, hostile), { maxLength: 6 }), async (texts) => {
        const [ours, theirs] = [await fast.encodeIds(texts), await slow.encodeIds(texts)];
        theirs.forEach((encoding, i) => {
          expect(plain(ours[i]!), JSON.stringify(texts[i])).toEqual(plain(encoding));
        });
      }),
      { numRuns: 400 },
    );
  });

  it("does so beside every character of Unicode (catches a class of characters that the rule forgets)", async () => {
    const texts: string[] = [];
    // All of them once, a part of them for the other kinds.
    for (let point = 0; point < 0x1fc00; point += kind === "the map alone" ? 1 : 7) {
      // Long runs of one kind here and there only.
      const isUniform = (point >= 0x3500 && point < 0x9f00) || (point >= 0xad00 && point < 0xd700);
      if ((isUniform && point % 64 !== 0) || (point >= 0x12000 && point < 0x1cf00 && point % 8 !== 0)) continue;
      const character = String.fromCodePoint(point);
      texts.push(`a\u00a0${character}b${character}\u3000c`);
    }
    const [ours, theirs] = [await fast.encodeIds(texts), await slow.encodeIds(texts)];
    const differing = texts.filter((_, i) => {
      return JSON.stringify(plain(ours[i]!)) !== JSON.stringify(plain(theirs[i]!));
    });
    expect(differing.map((text) => JSON.stringify(text))).toEqual([]);
  }, 120_000);
});

it("no step before the map turns a word's first character into one that extends, or brings one that is prepended (the rule looks at texts as they are)", () => {
  const extendsSpace = (text: string): boolean => reachesAcrossSpace(` ${text}`);
  for (let point = 0; point < 0x110000; point++) {
    if (point >= 0xd800 && point < 0xe000) continue;
    const character = String.fromCodePoint(point);
    const isLeftOut = extendsSpace(character);
    for (const form of ["NFC", "NFD", "NFKC", "NFKD"] as const) {
      const other = character.normalize(form);
      if (other === character || isLeftOut) continue;
      expect(extendsSpace(String.fromCodePoint(other.codePointAt(0)!)), `U+${point.toString(16)} ${form}`).toBe(false);
      expect(reachesAcrossSpace(other.slice(1)), `U+${point.toString(16)} ${form}`).toBe(false);
    }
  }
});

describe("maps that join words", () => {
  it.each<[string, unknown[]]>([
    ["two of them", [map, map]],
    ["a text put in front of words", [{ type: "Replace", pattern: { String: "a" }, content: "\u0301" }, map]],
    ["a text that vanishes", [{ type: "Replace", pattern: { String: "a" }, content: "" }, map]],
    ["white space cut off at the ends", [map, { type: "Strip", strip_left: true, strip_right: true }]],
  ])("have no cache: %s", (_, normalizers) => {
    expect(hasCache(withNormalizers(normalizers).fast)).toBe(false);
  });

  it("are found by what becomes of white space (bug: words joined where a map deletes it)", () => {
    const deletes = { type: "Replace", pattern: { Regex: "\u3000" }, content: "" };
    expect(hasCache(withNormalizers([map, deletes]).fast)).toBe(false);
  });
});

it("ordinary text is not left out", () => {
  for (const text of [
    "the cat sat",
    "été à Ésope",
    "北京 is 大",
    "👍🏽 ok",
    "naïve cafe\u0301",
    "नमस्ते दुनिया",
    "\t tab\r\nline",
  ]) {
    expect(reachesAcrossSpace(text), text).toBe(false);
  }
  for (const text of ["a \u0301b", "x\u3000\u3099", "\u0600 1", "a \u200db"])
    expect(reachesAcrossSpace(text)).toBe(true);
});
