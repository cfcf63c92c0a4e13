import { expect, it } from "vitest";
import { classificationReport } from "./classification-report.ts";
import { formatClassificationReport } from "./format-classification-report.ts";

// Three rows "no" (two found), two rows "yes" (one found).
const labels = [0, 0, 0, 1, 1];
const predictions = [0, 0, 1, 1, 0];

it("gathers every figure (support confused with predictions; class 0 taken as the positive one)", () => {
  const report = classificationReport(labels, predictions, ["no", "yes"]);
  expect(report.numExamples).toBe(5);
  expect(report.accuracy).toBe(0.6);
  expect(report.confusion).toEqual([
    [2, 1],
    [1, 1],
  ]);
  expect(report.binary).toEqual({ precision: 0.5, recall: 0.5, f1: 0.5 });
  expect(report.classes).toEqual([
    { name: "no", precision: 2 / 3, recall: 2 / 3, f1: 2 / 3, support: 3, predicted: 3 },
    { name: "yes", precision: 0.5, recall: 0.5, f1: 0.5, support: 2, predicted: 2 },
  ]);
  expect(report.matthews).toBeCloseTo(1 / 6, 12);
  expect(classificationReport([0, 2], [0, 2], ["a", "b", "c"]).binary).toBeUndefined();
});

it("is written as text that lines up", () => {
  expect(formatClassificationReport(classificationReport(labels, predictions, ["no", "yes"]))).toBe(
    `examples                   5
accuracy              0.6000
Matthews correlation  0.1667
F1 (yes)              0.5000

class             precision  recall      F1  rows
no                   0.6667  0.6667  0.6667     3
yes                  0.5000  0.5000  0.5000     2
macro average        0.5833  0.5833  0.5833     5
micro average        0.6000  0.6000  0.6000     5
weighted average     0.6000  0.6000  0.6000     5

true \\ predicted  no  yes
no                 2    1
yes                1    1
`,
  );
});

it("shows no rows as dashes, not as NaN or perfect figures", () => {
  const text = formatClassificationReport(classificationReport([], [], ["a", "b"]));
  expect(text).toContain("accuracy              –\n");
  expect(text).not.toContain("NaN");
});

it("refuses a classifier without classes", () => {
  expect(() => classificationReport([], [], [])).toThrow(expect.objectContaining({ code: "NO_CLASSES" }));
});
