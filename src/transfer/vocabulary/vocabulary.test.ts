import { afterAll, describe, expect, test } from "vitest";
import { createReferenceBackend } from "../../backend/reference/reference-backend.ts";
import { resolveAdapter } from "../../models/adapter/option.ts";
import { withAdapter } from "../../models/adapter/start.ts";
import { tinyFamilies } from "../../models/adapter/testing.ts";
import type { PretrainingModel } from "../../models/model.ts";
import { namedParameters } from "../../nn/module.ts";
import type { Tokenizer } from "../../tokenizers/tokenizer.ts";
import { WordPiece } from "../../tokenizers/wordpiece.ts";
import { addTokens } from "./add-tokens.ts";
import { extendPositions } from "./extend-positions.ts";
import { mapSymbols } from "./map-symbols.ts";
import type { VocabularyModel } from "./model.ts";
import { swapTokenizer } from "./swap-tokenizer.ts";
import { byteTokenizer, tinyModel, vocabularyLogits, wordTokenizer } from "./testing.ts";

const backend = createReferenceBackend();
afterAll(() => backend.dispose());

type Model = VocabularyModel<PretrainingModel>;

/** The tokenizer that each family's framing asks for. */
const tokenizerOf = (family: string): Tokenizer =>
  /bert$|ernie/.test(family) && family !== "roberta" ? wordTokenizer() : byteTokenizer();

const tables = (model: Model) =>
  [...model.weights].filter(([name]) => name.endsWith("wordEmbeddings.weight")).map(([, data]) => data);
const row = (model: Model, id: number) => {
  const [table] = tables(model);
  const width = table!.length / model.family.facts(model.config).vocabSize;
  return [...table!.subarray(id * width, (id + 1) * width)];
};
const mean = (rows: readonly number[][]) =>
  rows[0]!.map((_, i) => rows.reduce((sum, own) => sum + own[i]!, 0) / rows.length);
const code = (name: string) => expect.objectContaining({ code: name });
const settings = ({ config }: Model) => config as Readonly<Record<string, unknown>>;

/** Scores of some ids at every place. */
async function scores(model: Model, ids: readonly number[], of: readonly number[]): Promise<number[]> {
  const logits = await vocabularyLogits(backend, model, ids);
  const { vocabSize } = model.family.facts(model.config);
  return ids.flatMap((_, place) => of.map((id) => logits[place * vocabSize + id]!));
}

describe("added tokens", () => {
  test.each(tinyFamilies)(
    "%s: texts without them give what they gave, by tied tables (bug: a copy of the table, or a bias left behind)",
    async (name) => {
      const before = tinyModel(name, tokenizerOf(name));
      const { model } = await addTokens(before, { tokens: ["promoters", "xyz"] });
      const size = before.tokenizer.vocabSize;
      expect(model.tokenizer.vocabSize).toBe(size + 2);
      expect(settings(model).vocabSize).toBe(size + 2);
      expect(namedParameters(model.module).size).toBe(namedParameters(before.module).size);
      const ids = (await before.tokenizer.encodeIds(["a good film"]))[0]!.ids;
      expect([...(await model.tokenizer.encodeIds(["a good film"]))[0]!.ids]).toEqual([...ids]);
      const all = Array.from({ length: size }, (_, id) => id);
      expect(await scores(model, [...ids], all)).toEqual(await scores(before, [...ids], all));
    },
  );

  test("their rows are the means of their old pieces, in the output's bias too (bug: the first piece's)", async () => {
    const before = tinyModel("bert", wordTokenizer());
    const { model, added } = await addTokens(before, { tokens: ["promoters", "Ωmega"] });
    expect(added).toEqual([
      { token: "promoters", id: 19, pieces: ["pro", "##moter", "##s"] },
      { token: "Ωmega", id: 20, pieces: [] },
    ]);
    const ids = ["pro", "##moter", "##s"].map((token) => before.tokenizer.tokenToId(token)!);
    row(model, 19).forEach((value, i) => {
      expect(value).toBeCloseTo(mean(ids.map((id) => row(before, id)))[i]!, 6);
    });
    const bias = before.weights.get("maskedLm.bias")!;
    expect(model.weights.get("maskedLm.bias")![19]).toBeCloseTo(ids.reduce((sum, id) => sum + bias[id]!, 0) / 3, 6);
    const ordinary = Array.from({ length: 13 }, (_, i) => row(before, 6 + i));
    row(model, 20).forEach((value, i) => {
      expect(value).toBeCloseTo(mean(ordinary)[i]!, 6);
    });
    const [text] = await model.tokenizer.encodeBatch(["the Promoters promotersable"]);
    expect([...text!.ids].map((id) => model.tokenizer.idToToken(id))).toEqual([
      ...["the", "promoters", "pro", "##moter", "##s", "##able"],
    ]);
  });

  test("rows that a table has to spare are taken, and drawn rows are a seed's (bug: rows behind those that nobody reaches)", async () => {
    const before = tinyModel("bert", wordTokenizer(), 5);
    const drawn = async (seed: number) => (await addTokens(before, { tokens: ["xyz"], rows: "random", seed })).model;
    const one = await drawn(1);
    expect(settings(one).vocabSize).toBe(24);
    expect(row(one, 19)).not.toEqual(row(before, 19));
    expect(row(one, 20)).toEqual(row(before, 20));
    expect(row(await drawn(1), 19)).toEqual(row(one, 19));
    expect(row(await drawn(2), 19)).not.toEqual(row(one, 19));
  });

  test("that cannot be are refused together", async () => {
    const model = tinyModel("bert", wordTokenizer());
    await expect(addTokens(model, { tokens: ["good", "new", "new", " x", ""] })).rejects.toThrow(
      /"good" is in the vocabulary already.*"new" occurs twice.*white space; got " x".*must be text; got ""/s,
    );
    await expect(addTokens(model, { tokens: [] })).rejects.toThrow(code("CONFIG_MISSING"));
    const begun = withAdapter(model, resolveAdapter({ kind: "pfeiffer" }), { seed: 1, folder: undefined });
    await expect(addTokens({ ...begun, tokenizer: model.tokenizer }, { tokens: ["new"] })).rejects.toThrow(
      code("ADAPTER_UNSUPPORTED"),
    );
  });
});

describe("another tokenizer", () => {
  test("keeps rows of the same text under other ids, and special tokens by what they do (bug: rows by id)", async () => {
    const before = tinyModel("bert", wordTokenizer());
    const words = ["film", "[CLS]", "promoter", "[SEP]", "good", "[PAD]", "[UNK]", "[MASK]", "##s", "zzz"];
    const tokenizer = WordPiece.fromVocabulary(words);
    const { model, report } = await swapTokenizer(before, { tokenizer });
    expect(report).toEqual({ shared: 8, fromPieces: 1, fromMean: 1, drawn: 0, dropped: 10 });
    expect(settings(model)).toMatchObject({ vocabSize: 10, padTokenId: 5 });
    for (const [id, token] of words.entries()) {
      const old = before.tokenizer.tokenToId(token);
      if (old !== undefined) expect(row(model, id), token).toEqual(row(before, old));
    }
    const kept = ["film", "good", "##s"];
    const idsOf = (tokenizer: Tokenizer) => kept.map((token) => tokenizer.tokenToId(token)!);
    const [old, fresh] = [idsOf(before.tokenizer), idsOf(tokenizer)];
    expect(await scores(model, fresh, fresh)).toEqual(await scores(before, old, old));
  });

  test("of another kind: words behind a space are words (bug: marks compared as text)", async () => {
    const before = tinyModel("bert", wordTokenizer());
    const tokenizer = byteTokenizer();
    const { model } = await swapTokenizer(before, { tokenizer });
    expect(row(model, tokenizer.tokenToId("Ġgood")!)).toEqual(row(before, before.tokenizer.tokenToId("good")!));
    expect(row(model, tokenizer.tokenToId("s")!)).toEqual(row(before, before.tokenizer.tokenToId("##s")!));
    expect(row(model, tokenizer.tokenToId("<mask>")!)).toEqual(row(before, before.tokenizer.special.mask!));
    expect(settings(model).padTokenId).toBe(1);
  });

  test("places stay where the padding token moves, from which RoBERTa counts (bug: all places shifted by one)", async () => {
    const before = tinyModel("roberta", byteTokenizer());
    const { model } = await swapTokenizer(before, { tokenizer: wordTokenizer() });
    expect(model.family.facts(model.config).maxPositionEmbeddings).toBe(16);
    expect(settings(model)).toMatchObject({ padTokenId: 0, maxPositionEmbeddings: 17 });
    const [old, fresh] = [before, model].map(({ tokenizer }) => [tokenizer.special.cls!, tokenizer.special.sep!]) as [
      number[],
      number[],
    ];
    expect(await scores(model, fresh, fresh)).toEqual(await scores(before, old, old));
  });

  test("that is the same is refused, and rows may be the mean of all or drawn", async () => {
    const before = tinyModel("bert", wordTokenizer());
    await expect(swapTokenizer(before, { tokenizer: wordTokenizer() })).rejects.toThrow(code("SAME_TOKENIZER"));
    const tokenizer = WordPiece.fromVocabulary(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "promoter"]);
    const { report } = await swapTokenizer(before, { tokenizer, rows: "mean" });
    expect(report).toMatchObject({ fromPieces: 0, fromMean: 1 });
    const drawn = await swapTokenizer(before, { tokenizer, rows: "random", seed: 3 });
    expect(drawn.report).toMatchObject({ drawn: 1 });
    expect(Math.max(...row(drawn.model, 6).map(Math.abs))).toBeLessThan(0.05);
  });
});

describe("symbols", () => {
  test.each(tinyFamilies)(
    "%s: each has the row of a token of its own, special tokens keep theirs (bug: rows of [unused…], or one twice)",
    async (name) => {
      const before = tinyModel(name, tokenizerOf(name));
      const { model, symbols } = mapSymbols(before, { alphabet: "ACGT", seed: 7 });
      expect(new Set(symbols.map(({ token }) => token)).size).toBe(4);
      for (const { id, token } of symbols) {
        const old = before.tokenizer.tokenToId(token!)!;
        expect(before.tokenizer.specialIds).not.toContain(old);
        expect(row(model, id)).toEqual(row(before, old));
      }
      const { tokenizer } = model;
      const [encoded] = await tokenizer.encodeBatch(["acGT NA"]);
      const tokens = [...encoded!.ids].map((id) => tokenizer.idToToken(id));
      expect(tokens.map((token, i) => (encoded!.ids[i] === tokenizer.special.unk ? "?" : token))).toEqual([
        "a",
        "c",
        "g",
        "t",
        "?",
        "a",
      ]);
      for (const role of ["pad", "cls", "sep", "mask", "eos"] as const) {
        const [old, fresh] = [before.tokenizer.special[role], tokenizer.special[role]];
        if (old !== undefined) expect(row(model, fresh!), role).toEqual(row(before, old));
      }
      expect(mapSymbols(before, { alphabet: "ACGT", seed: 7 }).symbols).toEqual(symbols);
      expect(mapSymbols(before, { alphabet: "ACGT", seed: 8 }).symbols).not.toEqual(symbols);
    },
  );

  test("several a token, the last perhaps fewer; or apart, in their case (bug: the rest of a sequence is unknown)", async () => {
    const tokens = Array.from({ length: 100 }, (_, i) => `w${i}`);
    const before = tinyModel(
      "bert",
      WordPiece.fromVocabulary(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ...tokens]),
    );
    const { model, symbols } = mapSymbols(before, { alphabet: "ACGT", perToken: 3 });
    expect(symbols).toHaveLength(4 + 16 + 64);
    const read = async (own: Tokenizer, text: string) =>
      [...(await own.encodeIds([text]))[0]!.ids].map((id) => own.idToToken(id));
    expect(await read(model.tokenizer, "ACGTTAC")).toEqual(["acg", "tta", "c"]);
    expect(await read(model.tokenizer, "ACNGT")).toEqual(["ac", "[UNK]", "gt"]);
    const notes = mapSymbols(before, { alphabet: ["C", "c", "C#"], separated: true, ignoreCase: false }).model
      .tokenizer;
    expect(await read(notes, "C c C# d")).toEqual(["C", "c", "C#", "[UNK]"]);
    const joined = mapSymbols(before, { alphabet: ["C", "c", "C#"], ignoreCase: false }).model.tokenizer;
    expect(await read(joined, "CcC#C")).toEqual(["C", "c", "C#", "C"]);
  });

  test("drawn rows are the control, and what cannot be is refused", () => {
    const before = tinyModel("bert", wordTokenizer());
    const { model, symbols } = mapSymbols(before, { alphabet: "AC", rows: "random", seed: 2 });
    expect(symbols).toEqual([
      { symbol: "a", id: 5, token: null },
      { symbol: "c", id: 6, token: null },
    ]);
    expect(Math.max(...row(model, 5).map(Math.abs))).toBeLessThan(0.05);
    expect(() => mapSymbols(before, { alphabet: "ACGT", perToken: 2 })).toThrow(/gives 20 tokens, the model has 13/);
    expect(() => mapSymbols(before, { alphabet: "Aa" })).toThrow(/"a" occurs twice, or in both cases/);
    expect(() => mapSymbols(before, { alphabet: "", perToken: 0 })).toThrow(
      /one symbol at least.*perToken: must be a whole number/s,
    );
    expect(() => mapSymbols(before, { alphabet: "A C" })).toThrow(/must not hold white space/);
  });
});

describe("longer positions", () => {
  const places = (model: Model) => {
    const [name, data] = [...model.weights].find(([key]) => key.endsWith("positionEmbeddings.weight"))!;
    const width = namedParameters(model.module).get(name)!.shape[1]!;
    const count = model.family.facts(model.config).maxPositionEmbeddings;
    const offset = data.length / width - count;
    return Array.from({ length: count }, (_, p) => [...data.subarray((offset + p) * width, (offset + p + 1) * width)]);
  };

  test.each(tinyFamilies)(
    "%s by interpolation: ends stay, between them lie points on lines (bug: rows before place 0 mixed in)",
    (name) => {
      const before = tinyModel(name, tokenizerOf(name));
      const model = extendPositions(before, { maxPositionEmbeddings: 31 });
      const [old, fresh] = [places(before), places(model as Model)];
      expect(fresh).toHaveLength(31);
      for (const place of [0, 1, 15]) {
        old[place]!.forEach((value, i) => {
          expect(fresh[2 * place]![i]).toBeCloseTo(value, 6);
        });
      }
      fresh[5]!.forEach((value, i) => {
        expect(value).toBeCloseTo((old[2]![i]! + old[3]![i]!) / 2, 6);
      });
      for (const [key, data] of before.weights) {
        if (!key.endsWith("positionEmbeddings.weight")) expect(model.weights.get(key), key).toBe(data);
      }
    },
  );

  test.each(tinyFamilies)(
    "%s by repetition: short texts give what they gave (bug: an offset counted twice)",
    async (name) => {
      const before = tinyModel(name, tokenizerOf(name));
      const model = extendPositions(before, { maxPositionEmbeddings: 40, method: "repeat" }) as Model;
      const fresh = places(model);
      expect(fresh[16]).toEqual(fresh[0]);
      expect(fresh[39]).toEqual(fresh[7]);
      const ids = [7, 8, 9, 10];
      expect(await scores(model, ids, ids)).toEqual(await scores(before, ids, ids));
    },
  );

  test("fewer places, or an unknown way, are refused together", () => {
    const before = tinyModel("bert", wordTokenizer());
    const wrong = { maxPositionEmbeddings: 16, method: "copy" } as unknown as Parameters<typeof extendPositions>[1];
    expect(() => extendPositions(before, wrong)).toThrow(
      /above the model's 16; got 16.*must be one of interpolate, repeat/s,
    );
  });
});
