import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type BleuOptions, corpusBleu, sentenceBleu } from "./bleu.ts";
import { type ChrfOptions, corpusChrf } from "./chrf.ts";
import { porterStem } from "./porter-stemmer.ts";
import { meanRouge, type RougeKind, rouge } from "./rouge.ts";

interface Given {
  tokenize?: BleuOptions["tokenize"];
  smooth_method?: BleuOptions["smoothing"];
  smooth_value?: number;
  max_ngram_order?: number;
  effective_order?: boolean;
  lowercase?: boolean;
}
type Triple = [precision: number, recall: number, fmeasure: number];
interface Golden {
  corpora: Record<
    string,
    {
      hypotheses: string[];
      references: string[][];
      bleu: {
        options: Given;
        score: number;
        counts: number[];
        totals: number[];
        precisions: number[];
        brevityPenalty: number;
        lengths: [number, number];
        signature: string;
      }[];
      chrf: {
        options: { char_order?: number; word_order?: number; beta?: number; lowercase?: boolean };
        score: number;
        signature: string;
      }[];
    }
  >;
  rouge: {
    prediction: string;
    reference: string;
    plain: Record<RougeKind, Triple>;
    stemmed: Record<RougeKind, Triple>;
  }[];
  stems: Record<string, string>;
}
const golden = JSON.parse(
  readFileSync(new URL("../../tests/fixtures/generation_metrics.json", import.meta.url), "utf8"),
) as Golden;

/** Leaves out what is undefined. */
function given<T extends object>(options: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as never;
}

const bleuOptions = (its: Given): BleuOptions =>
  given({
    tokenize: its.tokenize,
    smoothing: its.smooth_method,
    smoothingValue: its.smooth_value,
    maxOrder: its.max_ngram_order,
    effectiveOrder: its.effective_order,
    lowercase: its.lowercase,
  });

describe.each(Object.entries(golden.corpora))("corpus %s", (_, { hypotheses, references, bleu, chrf }) => {
  it.each(bleu.map((its) => [JSON.stringify(its.options), its] as const))("has sacrebleu's BLEU with %s", (_, its) => {
    const { score, counts, totals, precisions, brevityPenalty, ...rest } = corpusBleu(
      hypotheses,
      references,
      bleuOptions(its.options),
    );
    // Counts are exact: a tokenizer that cuts one word differently shows here.
    expect({ counts, totals }).toEqual({ counts: its.counts, totals: its.totals });
    expect([rest.hypothesisLength, rest.referenceLength]).toEqual(its.lengths);
    expect(rest.signature).toBe(its.signature);
    expect(brevityPenalty).toBeCloseTo(its.brevityPenalty, 12);
    for (const [i, precision] of its.precisions.entries()) expect(precisions[i]).toBeCloseTo(precision, 11);
    expect(score).toBeCloseTo(its.score, 10);
  });
  it.each(chrf.map((its) => [JSON.stringify(its.options), its] as const))("has sacrebleu's chrF with %s", (_, its) => {
    const { char_order: charOrder, word_order: wordOrder, beta, lowercase } = its.options;
    const options: ChrfOptions = given({ charOrder, wordOrder, beta, lowercase });
    const { score, signature } = corpusChrf(hypotheses, references, options);
    expect(score).toBeCloseTo(its.score, 10);
    expect(signature).toBe(its.signature);
  });
});

describe("BLEU", () => {
  it("of a sentence leaves out the orders that it is too short for (bug: every short answer scores 0)", () => {
    expect(sentenceBleu("hello there", ["hello there"]).score).toBeCloseTo(100, 10);
    expect(sentenceBleu("hello there", ["hello there"], { effectiveOrder: false }).score).toBe(0);
  });
  it("of a corpus is not the mean of its sentences", () => {
    const [hypotheses, references] = [
      ["a b c d e", "f g"],
      [["a b c d e"], ["h i"]],
    ];
    const both = corpusBleu(hypotheses, references).score;
    const mean = (100 + sentenceBleu(hypotheses[1]!, references[1]!).score) / 2;
    expect(Math.abs(both - mean)).toBeGreaterThan(1);
  });
  it("names a row without a reference, columns of different lengths and no rows", () => {
    expect(() => corpusBleu(["a"], [[]])).toThrow(expect.objectContaining({ code: "REFERENCE_MISSING" }));
    expect(() => corpusBleu(["a", "b"], [["a"]])).toThrow(expect.objectContaining({ code: "LENGTH_MISMATCH" }));
    expect(() => corpusBleu([], [])).toThrow(expect.objectContaining({ code: "DATA_EMPTY" }));
  });
  it("lies between 0 and 100 for any text, and a text is its own perfect translation", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), fc.string({ unit: "grapheme", minLength: 1 }), (text, reference) => {
        const { score } = sentenceBleu(text, [reference]);
        expect(score).toBeGreaterThanOrEqual(0);
        expect(score).toBeLessThanOrEqual(100 + 1e-9);
        const same = sentenceBleu(reference, [reference]);
        if (same.hypothesisLength > 0) expect(same.score).toBeCloseTo(100, 9);
      }),
    );
  });
});

describe("ROUGE", () => {
  it.each(golden.rouge.map((its) => [its.prediction, its] as const))("of %j equals rouge-score", (_, its) => {
    for (const stem of [false, true]) {
      const expected = stem ? its.stemmed : its.plain;
      const kinds = Object.keys(expected) as RougeKind[];
      const found = rouge(its.prediction, its.reference, { kinds, stem });
      for (const kind of kinds) {
        const { precision, recall, fmeasure } = found[kind];
        for (const [i, x] of [precision, recall, fmeasure].entries()) {
          expect(x, `${kind}, stem ${stem}`).toBeCloseTo(expected[kind][i]!, 12);
        }
      }
    }
  });
  it("of texts is the mean of theirs (bug: an F-measure of mean precision and recall)", () => {
    const scores = meanRouge(["a b", "c"], ["a", "d"]);
    expect(scores.rouge1).toEqual({ precision: 0.25, recall: 0.5, fmeasure: 2 / 3 / 2 });
    expect(Object.keys(scores)).toEqual(["rouge1", "rouge2", "rougeL", "rougeLsum"]);
    expect(() => meanRouge([], [])).toThrow(expect.objectContaining({ code: "DATA_EMPTY" }));
    expect(() => meanRouge(["a"], [])).toThrow(expect.objectContaining({ code: "LENGTH_MISMATCH" }));
  });
});

it("stems are NLTK's, for every ending of the rules (bug: a second rule tried where the first one's condition failed)", () => {
  const found = Object.fromEntries(Object.keys(golden.stems).map((word) => [word, porterStem(word)]));
  expect(found).toEqual(golden.stems);
});
