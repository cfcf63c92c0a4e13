import { describe, expect, it } from "vitest";
import { classificationResult, softmax, trainingFigures } from "./classification-evaluation.ts";

const example = (label: number) => ({
  tokens: Int32Array.of(0),
  firstStart: 0,
  secondStart: 1,
  secondType: 0 as const,
  truncated: false,
  label,
});

describe("figures of a classifier", () => {
  it("gives hand-computed loss and scores (catches a loss of the predicted instead of the true class)", () => {
    const data = { labels: ["n", "y"], examples: [0, 1, 1].map(example) };
    const logits = [Float32Array.of(0, 0), Float32Array.of(0, 2), Float32Array.of(1, 0)];
    const result = classificationResult(data, logits);
    const expected = (Math.log(2) + Math.log(1 + Math.exp(-2)) + Math.log(1 + Math.exp(1))) / 3;
    expect(result.loss).toBeCloseTo(expected, 12);
    // Equal scores count as the first class.
    expect(result.confusion).toEqual([
      [1, 0],
      [1, 1],
    ]);
    expect(trainingFigures(result).means).toMatchObject({ accuracy: 2 / 3, f1: 2 / 3, matthews: 0.5 });
  });

  it("stays finite for large scores (catches exp overflow)", () => {
    expect([...softmax([1000, 0, -1000])]).toEqual([1, 0, 0]);
    const result = classificationResult({ labels: ["n", "y"], examples: [example(0)] }, [Float32Array.of(-500, 500)]);
    expect(result.loss).toBeCloseTo(1000, 9);
  });
});
