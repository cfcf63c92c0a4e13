import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { LibraryTokenizer } from "./library-tokenizer.ts";
import { loadTokenizer } from "./load.ts";
import { openPortable, portableTokenizer } from "./portable.ts";
import { camelCase, expectLibraryIds, fixture, hostile } from "./testing.ts";
import type { TrainProgress } from "./train-progress.ts";
import { trainUnigram } from "./train-unigram.ts";
import { Unigram } from "./unigram.ts";
import { digamma } from "./unigram-learner.ts";
import type { UnigramTrainOptions } from "./unigram-option.ts";

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "firth-unigram-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const texts = fixture.texts.all!;
const isCharacter = (token: string): boolean => [...token].length === 1;

describe("vocabulary of the Rust trainer", () => {
  for (const [name, { texts: set, options, pieces }] of Object.entries(fixture.unigram)) {
    it(`${name}: same pieces, same scores (catches a seed missed, a wrong expectation, another order of dropping)`, async () => {
      const learned = new Map(await trainUnigram(fixture.texts[set]!, camelCase(options)));
      const expected = new Map(pieces);
      expect([...learned.keys()].sort()).toEqual([...expected.keys()].sort());
      for (const [token, score] of expected) {
        // Characters that were dropped get scores in the order of a hash map.
        const tolerance = isCharacter(token) ? 0.02 : 1e-6;
        expect(Math.abs(learned.get(token)! - score), `${token} ${learned.get(token)} ${score}`).toBeLessThan(
          tolerance,
        );
      }
      const scores = [...learned.values()].slice(5);
      expect(scores).toEqual([...scores].sort((a, b) => b - a));
    });
  }

  it("is sure of all but characters: most scores of a pruned vocabulary agree closely (catches a tolerance that hides all)", async () => {
    const { options, pieces } = fixture.unigram.pruned!;
    const learned = new Map(await trainUnigram(fixture.texts.generated!, camelCase(options)));
    const close = pieces.filter(([token, score]) => Math.abs(learned.get(token)! - score) < 1e-6);
    expect(close.length).toBeGreaterThan(0.75 * pieces.length);
  });

  it("does not depend on the order of the texts", async () => {
    const forwards = await trainUnigram(texts, { vocabSize: 250 });
    const backwards = await trainUnigram([...texts].reverse(), { vocabSize: 250 });
    expect(backwards.map(([token]) => token)).toEqual(forwards.map(([token]) => token));
  });
});

describe("digamma", () => {
  it("equals known values and its own recurrence (catches a wrong term of the series)", () => {
    expect(digamma(1)).toBeCloseTo(-0.577_215_664_901_5, 9);
    expect(digamma(0.5)).toBeCloseTo(-1.963_510_026_021_4, 9);
    for (const x of [0.7, 3.3, 12, 1e6]) expect(digamma(x + 1) - digamma(x)).toBeCloseTo(1 / x, 9);
  });
});

describe("encoding", () => {
  const kinds: [string, UnigramTrainOptions][] = [
    ["as ALBERT", {}],
    ["case and accents kept", { lowercase: false, stripAccents: false }],
    ["bytes for the unknown", { vocabSize: 600, byteFallback: true }],
  ];
  for (const [name, options] of kinds) {
    it(`equals the library and encodeBatch on hostile text: ${name} (catches a step that reaches across white space)`, async () => {
      const tokenizer = await Unigram.train(texts, { vocabSize: 300, ...options });
      const library = new LibraryTokenizer(tokenizer.fileText, "test", tokenizer.settings);
      await fc.assert(
        fc.asyncProperty(fc.array(hostile, { maxLength: 5 }), async (several) => {
          const full = await expectLibraryIds(tokenizer, library, several);
          for (const [index, { starts, ends }] of full.entries()) {
            for (let i = 0; i < starts.length; i++) {
              expect(ends[i]!).toBeGreaterThanOrEqual(starts[i]!);
              expect(ends[i]!).toBeLessThanOrEqual(several[index]!.length);
            }
          }
        }),
        { numRuns: 300 },
      );
    });
  }

  it("takes the likeliest pieces, and begins words with their mark", async () => {
    const tokenizer = Unigram.fromVocabulary([
      ["<unk>", 0],
      ["\u2581", -2],
      ["a", -3],
      ["b", -3],
      ["\u2581a", -4],
      ["ab", -4],
      ["\u2581ab", -8.5],
    ]);
    const [encoding] = await tokenizer.encodeIds(["ab  b aq"]);
    const pieces = Array.from(encoding!.ids, (id) => tokenizer.idToToken(id));
    // "▁ab" would cost 8.5, "▁a"+"b" 7, "▁"+"ab" 6.
    expect(pieces).toEqual(["\u2581", "ab", "\u2581", "b", "\u2581a", "<unk>"]);
    expect(Array.from(encoding!.wordStarts)).toEqual([1, 0, 1, 0, 1, 0]);
    expect(await tokenizer.decode(encoding!.ids.slice(0, 5))).toBe("ab b a");
  });

  it("spells any character by its bytes where asked to (catches an unknown token that swallows it)", async () => {
    const tokenizer = await Unigram.train(texts, { vocabSize: 600, byteFallback: true, lowercase: false });
    const text = "the \u{1F9E0} reader";
    const [encoding] = await tokenizer.encodeIds([text]);
    expect(Array.from(encoding!.ids)).not.toContain(tokenizer.special.unk);
    expect(await tokenizer.decode(encoding!.ids)).toBe(text);
  });
});

describe("trainUnigram", () => {
  it("reads iterators, reports progress down to the size asked for", async () => {
    const seen: TrainProgress[] = [];
    async function* lines(): AsyncGenerator<string> {
      for (const text of fixture.texts.generated!) yield text;
    }
    const onProgress = (progress: TrainProgress): unknown => seen.push(progress);
    const pieces = await trainUnigram(lines(), { vocabSize: 60, onProgress });
    expect(pieces.length).toBe(60);
    expect(seen.map(({ phase }) => phase)).toEqual(expect.arrayContaining(["count", "seed", "prune"]));
    const left = seen.filter(({ phase }) => phase === "prune").map(({ done }) => done);
    expect(left).toEqual([...left].sort((a, b) => b - a));
    expect(left.at(-1)).toBeLessThanOrEqual(66);
  });

  it("refuses what cannot be, all at once", async () => {
    const wrong = { vocabsize: 3, shrinkingFactor: 1, numSubIterations: 0, unkToken: null } as UnigramTrainOptions;
    await expect(trainUnigram(["a"], wrong)).rejects.toThrow(/unkToken[\s\S]*numSubIterations[\s\S]*shrinkingFactor/);
    await expect(trainUnigram(["abc"], { vocabSize: 8 })).rejects.toMatchObject({
      code: "TOKENIZER_VOCAB_TOO_SMALL",
      message: expect.stringMatching(/got 8, needs 9/),
    });
    expect((await trainUnigram(["abc"], { vocabSize: 9 })).length).toBe(9);
    await expect(trainUnigram(["", " \n"])).rejects.toMatchObject({ name: "DataError", code: "TOKENIZER_NO_TEXT" });
    await expect(trainUnigram(["a"], { specialTokens: ["<unk>"] })).rejects.toMatchObject({
      code: "TOKENIZER_ROLE_MISSING",
    });
    expect(() => Unigram.fromVocabulary([["a", 0]])).toThrow(/TOKENIZER_UNK_MISSING/);
  });

  it("does without a character that ends words while learning (catches a text cut off at U+0000)", async () => {
    const pieces = await trainUnigram(["ab\u0000cd ab", "ab cd"], { vocabSize: 30 });
    const tokens = pieces.map(([token]) => token);
    expect(tokens).toContain("d");
    expect(tokens).not.toContain("\u0000");
  });
});

describe("special tokens", () => {
  it("are not ordinary pieces that look like them (catches </s> of a web page taken for the end of a text)", async () => {
    const pages = Array.from({ length: 30 }, (_, i) => `a</s>b c</s>d ${i}</s>`);
    const none = { clsToken: null, sepToken: null, maskToken: null, bosToken: null, eosToken: null };
    const tokenizer = await Unigram.train(pages, { vocabSize: 60, ...none });
    expect(tokenizer.tokenToId("</s>")).toBeDefined();
    expect(tokenizer.special).toEqual({
      ...{ pad: 0, unk: 1, cls: undefined, sep: undefined, mask: undefined },
      ...{ bos: undefined, eos: undefined },
    });
    expect(tokenizer.specialIds).toEqual([0, 1]);
  });
});

describe("files", () => {
  it("saves what it loads again, and travels to other threads", async () => {
    const tokenizer = await Unigram.train(texts, { vocabSize: 250, modelMaxLength: 64 });
    await tokenizer.save(folder);
    const again = await loadTokenizer(folder);
    expect(again).toBeInstanceOf(Unigram);
    expect([again.hash, again.special]).toEqual([tokenizer.hash, tokenizer.special]);
    expect(openPortable(portableTokenizer(tokenizer)!).hash).toBe(tokenizer.hash);
    // Without them transformers' general class gives pairs no segments, and ALBERT other scores.
    expect(tokenizer.settings.model_input_names).toEqual(["input_ids", "token_type_ids", "attention_mask"]);
  });

  it("reads a SentencePiece model as transformers' ALBERT does (catches ids shifted, commas behind numbers, user symbols)", async () => {
    const { model, plain, albert } = fixture.sentencePiece;
    const path = join(folder, "converted");
    await rm(path, { recursive: true, force: true });
    const file = join(folder, "spiece.model");
    await writeFile(file, Buffer.from(model, "base64"));
    const tokenizer = await loadTokenizer(file);
    expect(tokenizer.special).toEqual({ pad: 0, unk: 1, cls: 2, sep: 3, mask: 4, bos: 2, eos: 3 });
    const [first, second] = [plain, albert].map((rows) => rows.map(({ text }) => text));
    const ours = await tokenizer.encodeIds(first!);
    plain.forEach(({ text, ids }, i) => {
      // Numbers before a comma are the converter's own.
      if (!/\d,/.test(text)) expect(Array.from(ours[i]!.ids), text).toEqual(ids);
    });
    const theirs = await tokenizer.encodeIds(second!);
    albert.forEach(({ text, ids }, i) => {
      expect([2, ...theirs[i]!.ids, 3], text).toEqual(ids);
    });
  });

  it("says what is wrong with a SentencePiece model", async () => {
    const file = join(folder, "broken.model");
    await writeFile(file, Buffer.from([0xff, 0xff, 0xff]));
    await expect(loadTokenizer(file)).rejects.toMatchObject({ code: "TOKENIZER_FILE_MALFORMED", path: file });
    await writeFile(file, Buffer.alloc(0));
    await expect(loadTokenizer(file)).rejects.toThrow(/holds no piece/);
    // A piece "a", and a trainer that says BPE.
    await writeFile(file, Buffer.from([0x0a, 0x03, 0x0a, 0x01, 0x61, 0x12, 0x02, 0x18, 0x02]));
    await expect(loadTokenizer(file)).rejects.toMatchObject({ code: "TOKENIZER_KIND" });
    await expect(loadTokenizer(join(folder, "none.model"))).rejects.toMatchObject({ code: "TOKENIZER_FILE_MISSING" });
  });
});
