import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { normalizeAnswer } from "./answer-score.ts";
import { chineseAnswerFigures, mixedSegments } from "./chinese-answer.ts";
import { squadFigures, squadTwoFigures } from "./question-answering.ts";
import { treebankWords } from "./treebank-words.ts";

interface Row {
  answers: string[];
  text: string | null;
  noAnswer: number;
}
interface Means {
  exact: number;
  f1: number;
  total: number;
}
interface Golden {
  squadOne: Record<string, { rows: Row[]; figures: Means }>;
  squadTwo: Record<
    string,
    {
      rows: Row[];
      figures: {
        threshold: number;
        all: Means;
        hasAnswer: Means | null;
        noAnswer: Means | null;
        best: { exact: number; exactThreshold: number; f1: number; f1Threshold: number };
      }[];
    }
  >;
  chinese: Record<string, { rows: Row[]; figures: Means }>;
  treebank: [string, string[]][];
}

const golden = JSON.parse(
  readFileSync(new URL("../../tests/fixtures/question_answering.json", import.meta.url), "utf8"),
) as Golden;
const keysOf = (rows: readonly Row[]) => rows.map(({ answers }, i) => ({ id: `q${i}`, answers }));
const textsOf = (rows: readonly Row[]) =>
  new Map(rows.flatMap(({ text }, i) => (text === null ? [] : [[`q${i}`, text] as const])));

function expectClose(actual: Readonly<Record<string, unknown>>, wanted: object): void {
  for (const [name, value] of Object.entries(wanted)) expect(actual[name], name).toBeCloseTo(value as number, 9);
}

describe("squadFigures", () => {
  // A missing answer left out of the mean, F1 of two empty texts as 1, or the mean over references.
  it.each(Object.entries(golden.squadOne))("equals SQuAD 1.1 on %s", (_, { rows, figures }) => {
    expectClose({ ...squadFigures(keysOf(rows), textsOf(rows)) }, figures);
  });

  // JavaScript's \b ends a word before é and inside İ; Python's does not.
  it("takes articles away only where they stand as words of any script", () => {
    expect(normalizeAnswer("The théâtre, an été; aé éa 'a'")).toBe("théâtre été aé éa");
  });
});

describe("squadTwoFigures", () => {
  // A threshold that includes its own score, ties sorted otherwise, or thresholds looked for in decided scores.
  it.each(Object.entries(golden.squadTwo))("equals SQuAD 2.0 on %s", (_, { rows, figures }) => {
    const noAnswer = new Map(rows.map((row, i) => [`q${i}`, row.noAnswer]));
    for (const { threshold, all, hasAnswer, noAnswer: none, best } of figures) {
      const found = squadTwoFigures(keysOf(rows), textsOf(rows), { noAnswer, threshold });
      expectClose({ ...found }, all);
      expect(found.hasAnswer === undefined).toBe(hasAnswer === null);
      expect(found.noAnswer === undefined).toBe(none === null);
      if (hasAnswer !== null) expectClose({ ...found.hasAnswer }, hasAnswer);
      if (none !== null) expectClose({ ...found.noAnswer }, none);
      expectClose({ ...found.best }, best);
    }
  });

  // Questions that were never answered would raise the figures by being left out.
  it("refuses a question without a prediction", () => {
    expect(() => squadTwoFigures([{ id: "x", answers: [] }], new Map())).toThrow(/"x" has no answer/);
  });
});

describe("chineseAnswerFigures", () => {
  // A common subsequence in place of a run, signs that are not of the list, or UTF-16 halves as characters.
  it.each(Object.entries(golden.chinese))("equals CMRC 2018 on %s", (_, { rows, figures }) => {
    expectClose({ ...chineseAnswerFigures(keysOf(rows), textsOf(rows)) }, figures);
  });

  // Latin words cut into letters.
  it("counts Latin words as one, Chinese by characters", () => {
    expect(mixedSegments("在BERT-base，2.5%")).toEqual(["在", "bertbase2.5", "%"]);
  });
});

// Rules in another order, ASCII classes, or a rule forgotten.
it.each(golden.treebank)("divides %j as NLTK does", (line, words) => {
  expect(treebankWords(line)).toEqual(words);
});
