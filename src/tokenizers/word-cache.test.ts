import { describe, expect, it } from "vitest";
import { wordPieceCache } from "./wordpiece-cache.ts";
import { resolveWordPieceOptions } from "./wordpiece-option.ts";

const TOKENS = ["[UNK]", "a", "##a", "##b", "😀", "##😀"];
const options = resolveWordPieceOptions({ maxInputCharsPerWord: 4 });
const ids = new Map(TOKENS.map((token, id) => [token, id]));

describe("WordCache", () => {
  it("spells the same after it has started afresh (catches words numbered by a cache that is gone)", async () => {
    const cache = wordPieceCache(ids, TOKENS, options, 2);
    const texts = ["a ab aab", "aba ab", "abb a", "a ab aab", "aab aba"];
    const spelled = await Promise.all(texts.map(async (text) => Array.from((await cache.encodeIds([text]))[0]!.ids)));
    expect(spelled).toEqual([
      [1, 1, 3, 1, 2, 3],
      [1, 3, 2, 1, 3],
      [1, 3, 3, 1],
      [1, 1, 3, 1, 2, 3],
      [1, 2, 3, 1, 3, 2],
    ]);
  });

  it("counts the characters of long words, not their units (catches an emoji word cut off at half the limit)", async () => {
    const cache = wordPieceCache(ids, TOKENS, options);
    const words = ["😀".repeat(4), "😀".repeat(5), "a".repeat(4), "a".repeat(5), "a".repeat(500)];
    const [encoding] = await cache.encodeIds([words.join(" ")]);
    expect(Array.from(encoding!.ids)).toEqual([4, 5, 5, 5, 0, 1, 2, 2, 2, 0, 0]);
    const [places] = await cache.encode([`aab ${"a".repeat(500)}`]);
    expect(places).toEqual({
      ids: Int32Array.of(1, 2, 3, 0),
      wordIds: Int32Array.of(0, 0, 0, 1),
      starts: Int32Array.of(0, 1, 2, 4),
      ends: Int32Array.of(1, 2, 3, 504),
    });
  });

  it("gives no places where characters vanish or become several", async () => {
    const cache = wordPieceCache(ids, TOKENS, options);
    const encodings = await cache.encode(["a\u0301b", "a\u0000b", "😀", "áb", "한", "\ud800"]);
    expect(encodings.map((encoding) => encoding !== undefined)).toEqual([false, false, false, true, false, false]);
  });
});
