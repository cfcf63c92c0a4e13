import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { Random } from "../base/random.ts";
import {
  classificationReport,
  corpusBleu,
  entityReport,
  meanRouge,
  spearmanCorrelation,
  tagAccuracy,
} from "../evaluation/index.ts";
import { compareRuns, comparisonText } from "./compare-runs.ts";
import { judgedFigures } from "./judged-figure.ts";
import { readJudged, writeJudged } from "./judged-file.ts";
import type { JudgedClass, JudgedRow, JudgedTags } from "./judged-row.ts";

const folder = mkdtempSync(join(tmpdir(), "firth-judged-"));
afterAll(() => rmSync(folder, { recursive: true }));

const names = ["a", "b", "c"];
const classRow = (label: string, prediction: string, line = 1): JudgedClass => ({
  ...{ task: "textClassification", line, texts: [`text ${line}`], label, prediction },
  probabilities: Object.fromEntries(names.map((name) => [name, name === prediction ? 0.8 : 0.1])),
});
const tagRow = (label: string[], prediction: string[]): JudgedTags => ({
  ...{ task: "tokenClassification", line: 1, words: label.map(() => "w"), label, prediction },
  probabilities: label.map(() => 0.5),
});

describe("figures from rows", () => {
  test("equal those of the whole (bug: means of figures that are none)", () => {
    const name = fc.constantFrom(...names);
    fc.assert(
      fc.property(fc.array(fc.tuple(name, name), { minLength: 1, maxLength: 20 }), (pairs) => {
        const figures = judgedFigures(pairs.map(([label, prediction]) => classRow(label, prediction)));
        const at = (own: string) => names.indexOf(own);
        const report = classificationReport(
          pairs.map(([label]) => at(label)),
          pairs.map(([, own]) => at(own)),
          names,
        );
        expect(figures.accuracy).toBeCloseTo(report.accuracy, 12);
        expect(figures.macroF1).toBeCloseTo(report.macro.f1, 12);
        expect(figures.f1).toBeCloseTo(report.macro.f1, 12);
        expect(figures.matthews).toBeCloseTo(report.matthews, 12);
      }),
    );
    const tag = fc.constantFrom("O", "B-x", "I-x", "B-y", "I-y");
    const sentence = fc
      .integer({ min: 1, max: 6 })
      .chain((n) => fc.tuple(...[0, 1].map(() => fc.array(tag, { minLength: n, maxLength: n }))));
    fc.assert(
      fc.property(fc.array(sentence, { minLength: 1, maxLength: 8 }), (sentences) => {
        fc.pre(sentences.flat(2).some((own) => own !== "O"));
        const figures = judgedFigures(sentences.map(([label, own]) => tagRow(label!, own!)));
        const [truth, predicted] = [sentences.map(([label]) => label!), sentences.map(([, own]) => own!)];
        const { micro } = entityReport(truth, predicted);
        expect(figures.f1).toBeCloseTo(micro.f1, 12);
        expect(figures.precision).toBeCloseTo(micro.precision, 12);
        expect(figures.recall).toBeCloseTo(micro.recall, 12);
        expect(figures.accuracy).toBeCloseTo(tagAccuracy(truth, predicted), 12);
      }),
    );
  });

  test("of written texts equal BLEU and ROUGE of the corpus (bug: a mean of BLEU of sentences)", () => {
    const words = "the cat sat on a mat and then it ran away".split(" ");
    const random = new Random(3, "written");
    const text = () =>
      Array.from({ length: 3 + random.nextInt(9) }, () => words[random.nextInt(words.length)]!).join(" ");
    const rows = Array.from({ length: 12 }, (_, i): JudgedRow => {
      const label = text();
      return { task: "sequenceToSequence", source: "s", label, prediction: i % 3 === 0 ? label : text() };
    }) as Extract<JudgedRow, { task: "sequenceToSequence" }>[];
    const figures = judgedFigures(rows);
    const [written, targets] = [rows.map((row) => row.prediction), rows.map((row) => row.label)];
    expect(figures.bleu).toBeCloseTo(
      corpusBleu(
        written,
        targets.map((target) => [target]),
      ).score,
      9,
    );
    expect(figures.rougeL).toBeCloseTo(meanRouge(written, targets).rougeL.fmeasure, 12);
  });

  test("of numbers equal the correlations, of answers percents", () => {
    const pairs = [
      [1, 2],
      [2, 1],
      [3, 5],
      [4, 4],
    ] as const;
    const scores = pairs.map(
      ([label, prediction]): JudgedRow => ({ task: "textRegression", line: 1, texts: ["t"], label, prediction }),
    );
    const figures = judgedFigures(scores);
    expect(figures.spearman).toBeCloseTo(
      spearmanCorrelation(
        pairs.map(([a]) => a),
        pairs.map(([, b]) => b),
      ),
      12,
    );
    expect(figures.meanSquaredError).toBe(6 / 4);
    const answer = {
      task: "questionAnswering",
      id: "1",
      question: "q",
      context: "c",
      label: [],
      prediction: "",
    } as const;
    const place = { start: null, end: null, probability: 1 };
    expect(
      judgedFigures([
        { ...answer, ...place, exact: 1, f1: 1 },
        { ...answer, ...place, exact: 0, f1: 0.5 },
      ]),
    ).toEqual({ f1: 75, exact: 50 });
  });
});

describe("comparison", () => {
  const random = new Random(5, "runs");
  const label = Array.from({ length: 200 }, () => names[random.nextInt(3)]!);
  const runWith = (errors: number, first = 0): JudgedClass[] =>
    label.map((own, i) =>
      classRow(own, i >= first && i < first + errors ? names[(names.indexOf(own) + 1) % 3]! : own, i + 1),
    );

  test("finds the better of two runs, and does not where only luck differs (bug: rows resampled apart)", () => {
    const options = { numResamples: 500, seed: 1 };
    const clear = compareRuns(runWith(60), runWith(20), options);
    expect(clear).toMatchObject({ figure: "accuracy", better: "second", numRows: 200, onlyFirst: 0, onlySecond: 40 });
    expect(clear.difference).toBeCloseTo(0.2, 12);
    expect(clear.pValue).toBeLessThan(0.01);
    expect(compareRuns(runWith(20), runWith(60), options).better).toBe("first");
    const even = compareRuns(runWith(20), runWith(22, 100), options);
    expect(even.better).toBeUndefined();
    expect(even.interval[0]).toBeLessThan(0);
    expect(even).toMatchObject({ onlyFirst: 22, onlySecond: 20 });
    expect(compareRuns(runWith(60), runWith(20), { ...options, figure: "loss" })).toMatchObject({
      better: "second",
      higherIsBetter: false,
    });
    expect(comparisonText(clear, ["runs/a", "runs/b"])).toContain("runs/b is better");
    expect(comparisonText(even, ["runs/a", "runs/b"])).toContain("do not tell the runs apart");
    expect(compareRuns(runWith(60), runWith(20), options)).toEqual(clear);
  });

  test("refuses other data and unknown figures", () => {
    const own = runWith(10);
    expect(() => compareRuns(own, own.slice(1))).toThrow(expect.objectContaining({ code: "ROWS_DIFFER" }));
    const other = own.map((row, i) => (i === 7 ? { ...row, texts: ["other"] } : row));
    expect(() => compareRuns(own, other)).toThrow(/row 8 differs/);
    expect(() => compareRuns(own, own, { figure: "acuracy" })).toThrow(/Use accuracy/);
    expect(() => compareRuns([], [])).toThrow(expect.objectContaining({ code: "DATA_EMPTY" }));
  });
});

test("files give rows back, and bad lines are named", async () => {
  const rows = [classRow("a", "b", 1), classRow("b", "b", 2)];
  const path = join(folder, "predictions.jsonl");
  await writeJudged(path, rows);
  expect(await readJudged(path)).toEqual(rows);
  expect(await readJudged(folder)).toEqual(rows);
  const bad = join(folder, "bad.jsonl");
  for (const [text, message] of [
    [
      '{"task":"textClassification","texts":["a"],"label":1,"prediction":"b","probabilities":{}}',
      /bad\.jsonl: line 1: label has a value that cannot be; got 1/,
    ],
    ['{"task":"other"}', /line 1: task must be one of/],
    [`${JSON.stringify(rows[0])}\n{`, /line 2: not valid JSON/],
    ["", /has no predictions/],
  ] as const) {
    writeFileSync(bad, text);
    await expect(readJudged(bad)).rejects.toThrow(message);
  }
});

test("a folder of several seeds says which of its runs can be compared (bug: a missing file that no command of the user's has named)", async () => {
  const seeds = join(folder, "seeds");
  mkdirSync(join(seeds, "seed-1", "model"), { recursive: true });
  await expect(readJudged(seeds)).rejects.toThrow(
    /has no predictions\.jsonl\. Runs of firth finetune have one, unless/,
  );
  await writeJudged(join(seeds, "seed-1", "predictions.jsonl"), [classRow("a", "b", 1)]);
  await writeJudged(join(seeds, "seed-2", "predictions.jsonl"), [classRow("a", "b", 1)]);
  await expect(readJudged(seeds)).rejects.toMatchObject({
    code: "PREDICTIONS_MISSING",
    message: expect.stringContaining(`Name one of its runs: ${join(seeds, "seed-1")}, ${join(seeds, "seed-2")}.`),
  });
});
