import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { accuracy, classPrecisionRecall, matthewsCorrelation, precisionRecall } from "./classification.ts";
import { confusionMatrix } from "./confusion.ts";
import { averageRanks, pearsonCorrelation, spearmanCorrelation } from "./correlation.ts";
import { bitsPerByte, perplexity, unigramEntropy } from "./language.ts";
import { logLoss } from "./log-loss.ts";
import { formatSpread, spread } from "./spread.ts";

type Maybe = number | "NaN";
type Figures<T> = { precision: T; recall: T; f1: T };
interface Golden {
  classification: Record<
    string,
    {
      classes: number;
      labels: number[];
      predictions: number[];
      confusion: number[][];
      accuracy: number;
      matthews: number;
      perClass: Figures<number[]>;
    } & Record<"macro" | "micro" | "weighted", Figures<number>> & { binary?: Figures<number> }
  >;
  correlation: Record<string, { x: number[]; y: number[]; pearson: Maybe; spearman: Maybe }>;
  ranks: { values: number[]; average: number[] };
  logLoss: Record<string, { labels: number[]; probabilities: number[][]; logLoss: number }>;
  entropy: Record<string, { counts: number[]; nats: Maybe }>;
  spread: Record<string, { values: number[]; mean: number; deviation: Maybe }>;
}
const golden = JSON.parse(
  readFileSync(new URL("../../tests/fixtures/metrics.json", import.meta.url), "utf8"),
) as Golden;

/** Equal to twelve digits, NaN to NaN. */
function expectClose(actual: number, expected: Maybe): void {
  if (expected === "NaN") expect(actual).toBeNaN();
  else expect(Math.abs(actual - expected)).toBeLessThanOrEqual(1e-12 * Math.max(1, Math.abs(expected)));
}
function expectFigures(actual: Figures<number>, expected: Figures<number>): void {
  for (const name of ["precision", "recall", "f1"] as const) expectClose(actual[name], expected[name]);
}

describe.each(Object.entries(golden.classification))("classification %s", (_, its) => {
  const matrix = confusionMatrix(its.labels, its.predictions, its.classes);
  it("has the reference's confusion matrix (transposed otherwise)", () => {
    expect(matrix).toEqual(its.confusion);
  });
  it("has the reference's accuracy and Matthews correlation (undefined is 0, not NaN)", () => {
    expectClose(accuracy(its.labels, its.predictions), its.accuracy);
    expectClose(matthewsCorrelation(matrix), its.matthews);
  });
  it("has the reference's precision, recall and F1 (precision swapped with recall; F1 of averages)", () => {
    for (const average of ["macro", "micro", "weighted"] as const)
      expectFigures(precisionRecall(matrix, average), its[average]);
    if (its.binary !== undefined) expectFigures(precisionRecall(matrix, "binary"), its.binary);
    classPrecisionRecall(matrix).forEach((own, index) => {
      const { precision, recall, f1 } = its.perClass;
      expectFigures(own, { precision: precision[index]!, recall: recall[index]!, f1: f1[index]! });
    });
  });
});

describe.each(Object.entries(golden.correlation))("correlation %s", (name, its) => {
  it("equals the reference (ties ranked by order; cancellation far from zero; 0 for a constant)", () => {
    // Around 10⁶ the input's own rounding leaves nine digits to agree on.
    const digits = name === "largeOffset" ? 9 : 12;
    for (const [actual, expected] of [
      [pearsonCorrelation(its.x, its.y), its.pearson],
      [spearmanCorrelation(its.x, its.y), its.spearman],
    ] as const) {
      if (expected === "NaN") expect(actual).toBeNaN();
      else expect(actual).toBeCloseTo(expected, digits);
    }
  });
});

describe("correlation", () => {
  it("ranks ties by their mean rank", () => {
    expect([...averageRanks(golden.ranks.values)]).toEqual(golden.ranks.average);
    expect([...averageRanks([10, 20, 10, 5])]).toEqual([2.5, 4, 2.5, 1]);
  });
  it("neither overflows nor vanishes for huge and tiny values (squares would)", () => {
    expect(pearsonCorrelation([1e200, 2e200, 4e200], [1e-200, 2e-200, 4e-200])).toBeCloseTo(1, 12);
  });
  it("calls a constant constant although its mean is rounded", () => {
    expect(pearsonCorrelation([0.1, 0.1, 0.1], [1, 2, 4])).toBeNaN();
  });
  it("is NaN for one row and for a missing value (sorting NaN would give it some rank)", () => {
    expect(pearsonCorrelation([1], [1])).toBeNaN();
    expect(spearmanCorrelation([1, Number.NaN, 3], [1, 2, 3])).toBeNaN();
  });
  it("is symmetric, and blind to scale and offset", () => {
    const column = fc.array(fc.integer({ min: -50, max: 50 }), { minLength: 2, maxLength: 12 });
    fc.assert(
      fc.property(column, column, (a, b) => {
        const count = Math.min(a.length, b.length);
        const [x, y] = [a.slice(0, count), b.slice(0, count)];
        const value = spearmanCorrelation(x, y);
        if (Number.isNaN(value)) return;
        expect(spearmanCorrelation(y, x)).toBeCloseTo(value, 12);
        expect(
          spearmanCorrelation(
            x.map((item) => 3 - 2 * item),
            y,
          ),
        ).toBeCloseTo(-value, 12);
      }),
    );
  });
});

describe("log loss", () => {
  it.each(Object.entries(golden.logLoss))("%s equals the reference (base, clipping, rescaling)", (_, its) => {
    expectClose(logLoss(its.labels, its.probabilities), its.logLoss);
  });
  it("refuses logits, which would give a plausible number", () => {
    expect(() => logLoss([0], [[1.5, -0.2]])).toThrow(expect.objectContaining({ code: "PROBABILITY_OUT_OF_RANGE" }));
    expect(() => logLoss([2], [[0.5, 0.5]])).toThrow(expect.objectContaining({ code: "CLASS_OUT_OF_RANGE" }));
  });
});

describe("language figures", () => {
  it.each(Object.entries(golden.entropy))("entropy of %s equals the reference (0 · log 0 is 0)", (_, its) => {
    expectClose(unigramEntropy(its.counts), its.nats);
  });
  it("has units: perplexity from nats, bits per byte from summed nats", () => {
    expectClose(perplexity(Math.log(50)), 50);
    expectClose(perplexity(unigramEntropy([1, 1, 1, 1])), 4);
    expectClose(bitsPerByte(8 * Math.LN2, 4), 2);
    expect(bitsPerByte(0, 0)).toBeNaN();
  });
  it("refuses negative counts", () => {
    expect(() => unigramEntropy([1, -1])).toThrow(expect.objectContaining({ code: "COUNT_NEGATIVE" }));
  });
});

describe("spread", () => {
  it.each(Object.entries(golden.spread))("of %s equals the reference (n − 1; cancellation)", (_, its) => {
    const own = spread(its.values);
    expectClose(own.mean, its.mean);
    expectClose(own.deviation, its.deviation);
  });
  it("is written with its runs, and without a deviation for one", () => {
    expect(formatSpread(spread([0.812, 0.8075, 0.8203]))).toBe("0.813 ± 0.006 (3 runs)");
    expect(formatSpread(spread([0.25]), 2)).toBe("0.25");
    expect(formatSpread(spread([]))).toBe("no runs");
  });
});

describe("no rows and wrong rows", () => {
  it("is NaN everywhere, not 0 or 1, without rows", () => {
    const matrix = confusionMatrix([], [], 2);
    expect(matrix).toEqual([
      [0, 0],
      [0, 0],
    ]);
    expect(accuracy([], [])).toBeNaN();
    expect(matthewsCorrelation(matrix)).toBeNaN();
    expect(precisionRecall(matrix, "macro").f1).toBeNaN();
    expect(logLoss([], [])).toBeNaN();
  });
  it("names columns of different length and classes that do not exist", () => {
    expect(() => accuracy([1, 0], [1])).toThrow(
      "accuracy: both columns must have one value per row; got 2 and 1. Pass the columns of the same rows.",
    );
    expect(() => confusionMatrix([0, -100], [0, 0], 2)).toThrow(
      "confusionMatrix.labels: a class must be a whole number from 0 to 1; got -100 in row 1. Leave unscored rows out.",
    );
    expect(() => precisionRecall(confusionMatrix([0], [0], 3), "binary")).toThrow(
      expect.objectContaining({ code: "NOT_BINARY" }),
    );
  });
});
