import { describe, expect, test } from "vitest";
import { baselineRows } from "./baseline.ts";
import { errorReport } from "./error-report.ts";
import { judgedFigures } from "./judged-figure.ts";
import type { JudgedAnswer, JudgedClass, JudgedRow, JudgedTags } from "./judged-row.ts";

const EVIL = `<script>alert("1")</script>&`;
const main = (html: string): string => html.slice(html.indexOf("<main>"), html.indexOf("</main>"));

const classRow = (line: number, label: string, prediction: string, share: number): JudgedClass => ({
  ...{ task: "textClassification", line, texts: [`text ${line} ${EVIL}`], label, prediction },
  probabilities: { neg: prediction === "neg" ? share : 1 - share, pos: prediction === "pos" ? share : 1 - share },
});

describe("a page of errors", () => {
  test("of classes: confusions, calibration, the surest errors first (bug: errors in the order of the file)", () => {
    const rows = [
      classRow(1, "neg", "neg", 0.9),
      classRow(2, "pos", "neg", 0.6),
      classRow(3, "neg", "pos", 0.95),
      classRow(4, "pos", "pos", 0.7),
    ];
    const page = main(errorReport(rows, { selection: "highest accuracy" }));
    expect(page).not.toContain("<script");
    expect(page).toContain("&lt;script&gt;");
    expect(page.indexOf("line 3 · true: neg · predicted: pos")).toBeLessThan(page.indexOf("line 2 · true: pos"));
    expect(page).not.toContain("line 1 ·");
    expect(page).toContain("All 2 that are wrong");
    expect(page).toContain('<td class="heat right" style="--share:0.5">1<small>50 %</small></td>');
    expect(page).toContain("95.0 %");
    // Gaps of single rows: 0.1, 0.6, 0.95, 0.3.
    expect(page).toContain("Expected calibration error 0.4875");
    expect(page).toContain("highest accuracy");
    expect(main(errorReport(rows.slice(0, 1)))).toContain("Nothing is wrong here.");
  });

  test("shows the beginning of long texts, cut between characters, each in its own direction (bugs: megabytes of one row; half an emoji)", () => {
    const long = { ...classRow(1, "pos", "neg", 0.6), texts: [`x${"😀".repeat(5_000)}`, "שלום"] };
    const page = main(errorReport([long]));
    expect(page).toContain(`<p class="sentence marked" dir="auto">x${"😀".repeat(999)} …</p>`);
    expect(page).toContain('<p class="sentence marked" dir="auto">שלום</p>');
    expect(page).not.toContain("\uFFFD");
  });

  test("of numbers: a scatter, the farthest first", () => {
    const row = (line: number, label: number, prediction: number): JudgedRow => ({
      ...{ task: "textRegression", line, texts: ["a", EVIL], label, prediction },
    });
    const page = main(errorReport([row(1, 1, 1.5), row(2, 5, 2), row(3, 3, 3)]));
    expect(page).toContain("Predicted over true");
    expect(page.indexOf("line 2 · true: 5 · predicted: 2.000 · off by -3.000")).toBeLessThan(page.indexOf("line 1 ·"));
    expect(page).not.toContain("<script");
  });

  test("of tags: entities that are right, wrong and missed lie on their words (bug: places off by the spaces)", () => {
    const row: JudgedTags = {
      ...{ task: "tokenClassification", line: 9, words: ["Anna", "saw", "Rome", "<b>"] },
      label: ["B-PER", "O", "B-LOC", "I-LOC"],
      prediction: ["B-PER", "O", "B-LOC", "O"],
      probabilities: [0.9, 0.8, 0.7, 0.4],
    };
    const page = main(errorReport([row]));
    expect(page).toContain(
      '<mark class="right">Anna</mark><small class="right">✓ PER</small> saw <mark class="wrong missed">Rome</mark>',
    );
    expect(page).toContain(
      '<small class="wrong">✗ LOC</small><mark class="missed"> &lt;b&gt;</mark><small class="missed">○ LOC</small>',
    );
    expect(page).toContain("line 9 · 2 faults · least probability of a tag 40.0 %");
    const pos = { ...row, label: ["PROPN", "VERB", "PROPN", "X"], prediction: ["PROPN", "NOUN", "PROPN", "X"] };
    expect(main(errorReport([pos]))).toContain("✗ NOUN (true: VERB)");
  });

  test("of answers: given and right ones are marked in a part of a long text (bug: marks that forget what was cut off)", () => {
    const context = `${"x ".repeat(600)}the red car and the blue car${" y".repeat(600)}`;
    const at = context.indexOf("red");
    const row: JudgedAnswer = {
      ...{ task: "questionAnswering", id: "q7", question: `Which ${EVIL}?`, context },
      label: [{ text: "blue car", start: context.indexOf("blue") }],
      ...{ prediction: "red car", start: at, end: at + 7, probability: 0.75, exact: 0, f1: 0.5 },
    };
    const none: JudgedAnswer = { ...row, id: "q8", label: [], prediction: "", start: null, end: null, exact: 1, f1: 1 };
    const page = main(errorReport([row, none]));
    expect(page).toContain('<mark class="wrong">red car</mark>');
    expect(page).toContain('<mark class="missed">blue car</mark>');
    expect(page).toContain("q7 · F1 50.0 · probability 75.0 %");
    expect(page).not.toContain("q8 ·");
    expect(page).not.toContain("<script");
    expect(page.length).toBeLessThan(12_000);
  });

  test("of a question without any place marked: its text from the beginning (bug: an empty text)", () => {
    const context = `The beginning ${"of a long text ".repeat(200)}`;
    const row: JudgedAnswer = {
      ...{ task: "questionAnswering", id: "q9", question: "Which?", context, label: [{ text: "gone", start: null }] },
      ...{ prediction: "", start: null, end: null, probability: 0.5, exact: 0, f1: 0 },
    };
    expect(main(errorReport([row]))).toContain("The beginning of a long text");
  });

  test("of written texts: those that share least with their target first", () => {
    const row = (prediction: string): JudgedRow => ({
      task: "sequenceToSequence",
      source: "s",
      label: "a good film",
      prediction,
    });
    const page = main(errorReport([row("a good film"), row("a good book"), row("nothing")]));
    expect(page.indexOf("nothing")).toBeLessThan(page.indexOf("a good book"));
    expect(page).toContain("All 2 that are wrong");
  });
});

describe("baselines", () => {
  test("of classes are those of the commonest class of the training data (bug: that of the held-out data)", () => {
    const held = [classRow(1, "neg", "pos", 0.9), classRow(2, "neg", "neg", 0.9), classRow(3, "pos", "neg", 0.8)];
    const { name, rows } = baselineRows({ task: "textClassification", labels: ["pos", "pos", "neg"] }, held)!;
    expect(name).toBe("commonest class");
    expect(judgedFigures(rows).accuracy).toBeCloseTo(1 / 3, 12);
    expect(judgedFigures(rows).loss).toBeCloseTo(-(2 * Math.log(1 / 3) + Math.log(2 / 3)) / 3, 12);
  });

  test("of numbers are their mean, of words their commonest tag, of texts the source", () => {
    const score = { task: "textRegression", line: 1, texts: ["a"], label: 4, prediction: 1 } as const;
    expect(baselineRows({ task: "textRegression", labels: [1, 2, 6] }, [score])!.rows).toMatchObject([
      { prediction: 3 },
    ]);
    const sentences = [
      { words: ["a", "b", "a"], tags: ["X", "Y", "Z"] },
      { words: ["a", "c"], tags: ["X", "Y"] },
    ];
    const tags: JudgedTags = {
      ...{ task: "tokenClassification", line: 1, words: ["a", "new"], label: ["X", "X"], prediction: ["Y", "Y"] },
      probabilities: [1, 1],
    };
    expect(baselineRows({ task: "tokenClassification", sentences }, [tags])!.rows).toMatchObject([
      { prediction: ["X", "X"] },
    ]);
    const text = { task: "sequenceToSequence", source: "abc", label: "x", prediction: "y" } as const;
    expect(baselineRows({ task: "sequenceToSequence" }, [text])).toMatchObject({ rows: [{ prediction: "abc" }] });
    expect(baselineRows({ task: "questionAnswering" }, [])).toBeUndefined();
  });
});
