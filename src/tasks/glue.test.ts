import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { classificationReport } from "../evaluation/index.ts";
import type { ClassificationResult } from "./classification-evaluation.ts";
import { glueFigures, glueScore, glueSubmission, glueTaskNames, glueTasks, relativeToHuman } from "./glue.ts";
import { findGlueData, type GlueData } from "./glue-files.ts";
import { regressionResult } from "./regression-evaluation.ts";

const result = (labels: number[], predictions: number[], names: readonly string[]): ClassificationResult => ({
  ...classificationReport(labels, predictions, names),
  loss: 0,
});

describe("figures of GLUE", () => {
  it("are the official ones of each task, in per cent (bugs: F1 of the wrong class or averaged; CoLA's accuracy)", () => {
    const mrpc = glueFigures(glueTasks.mrpc, result([0, 1, 1, 1], [0, 1, 1, 0], ["0", "1"]));
    expect(mrpc.f1).toBeCloseTo(80, 10);
    expect(mrpc.accuracy).toBeCloseTo(75, 10);
    expect(glueScore(mrpc)).toBeCloseTo(77.5, 10);
    expect(glueFigures(glueTasks.cola, result([0, 1], [1, 1], ["0", "1"]))).toEqual({ matthews: 0 });
    const mnli = result([0, 1, 2], [0, 1, 1], ["a", "b", "c"]);
    const figures = glueFigures(glueTasks.mnli, mnli, result([0, 1], [0, 1], ["a", "b", "c"]));
    expect(figures.accuracy).toBeCloseTo(200 / 3, 10);
    expect(figures.mismatchedAccuracy).toBe(100);
    expect(glueFigures(glueTasks.stsb, regressionResult([0, 1], [2, 2], [0, 5]))).toEqual({ pearson: 0, spearman: 0 });
  });

  it("make people 1, figure by figure (bug: the mean of figures over the mean of people's)", () => {
    for (const name of glueTaskNames) {
      const task = glueTasks[name];
      const people = Object.fromEntries(task.figures.map((figure, i) => [figure, task.human[i]!]));
      expect(relativeToHuman(task, people)).toBe(1);
    }
    expect(relativeToHuman(glueTasks.qqp, { f1: 59.5, accuracy: 40.2 })).toBeCloseTo(0.75, 10);
  });

  it("submissions have a header, an id and three digits of a number", () => {
    expect(glueSubmission([{ id: "0", prediction: 2.71852 }])).toBe("index\tprediction\n0\t2.719\n");
    expect(glueSubmission([{ id: "7", prediction: "entailment" }])).toBe("index\tprediction\n7\tentailment\n");
  });
});

const shared = fileURLToPath(new URL("../../../shared/data", import.meta.url));

describe.skipIf(!existsSync(shared))(
  "the shared copies of GLUE's sets (skipped where ../shared/data is missing)",
  () => {
    const count = async (data: GlueData, part: "train" | "dev"): Promise<[number, string[]]> => {
      const labels: string[] = [];
      for await (const { fields } of data.tables[part]!.rows()) labels.push(String(fields[data.labelColumn]));
      return [labels.length, [...new Set(labels)].sort()];
    };
    it.each([
      ["cola", 8551, 1043],
      ["sst2", 6920, 872],
      ["mrpc", 3576, 500],
      ["rte", 2490, 277],
      ["wnli", 635, 71],
    ] as const)(
      "%s: every row and label (bugs: a header read as a row, half of CoLA's dev set)",
      async (name, train, dev) => {
        const data = findGlueData(shared, name);
        if ("missing" in data) throw new Error(data.missing);
        const labels = [...glueTasks[name].labels!].sort();
        expect(await count(data, "train")).toEqual([train, labels]);
        expect(await count(data, "dev")).toEqual([dev, labels]);
        expect(data.numBroken()).toBe(0);
      },
    );
    it("stsb: numbers from 0 to 5, rows with surplus cells too", async () => {
      const data = findGlueData(shared, "stsb") as GlueData;
      expect((await count(data, "train"))[0]).toBe(5749);
      const [rows, labels] = await count(data, "dev");
      expect(rows).toBe(1500);
      expect([Math.min(...labels.map(Number)), Math.max(...labels.map(Number))]).toEqual([0, 5]);
    });
    it("says which files are missing of those that are not there whole", () => {
      expect(findGlueData(shared, "qnli")).toEqual({ missing: expect.stringContaining("qnli/train.tsv") });
      expect(findGlueData(shared, "mnli")).toEqual({ missing: expect.stringContaining("MNLI/train.tsv") });
    });
  },
);
