import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { squadFigures, squadTwoFigures } from "./question-answering.ts";

interface Row {
  answers: string[];
  text: string | null;
  noAnswer: number;
}

/** Keys as the official script has them. */
type Official = Record<string, number>;

const golden = JSON.parse(
  readFileSync(new URL("../../tests/fixtures/squad_official.json", import.meta.url), "utf8"),
) as {
  squadOne: Record<string, { rows: Row[]; figures: { exact: number; f1: number } }>;
  squadTwo: Record<string, { rows: Row[]; figures: Official[] }>;
};
const keysOf = (rows: readonly Row[]) => rows.map(({ answers }, i) => ({ id: `q${i}`, answers }));
const textsOf = (rows: readonly Row[]) =>
  new Map(rows.flatMap(({ text }, i) => (text === null ? [] : [[`q${i}`, text] as const])));

describe("figures beside other people's code (bug: what is normalised, counted or left out otherwise)", () => {
  // Their sums are of float32.
  it.each(Object.entries(golden.squadOne))("SQuAD 1.1 by torchmetrics: %s", (_, { rows, figures }) => {
    const found = squadFigures(keysOf(rows), textsOf(rows));
    expect(found.exact).toBeCloseTo(figures.exact, 4);
    expect(found.f1).toBeCloseTo(figures.f1, 4);
  });

  it.each(Object.entries(golden.squadTwo))("SQuAD 2.0 by the official functions: %s", (_, { rows, figures }) => {
    const noAnswer = new Map(rows.map((row, i) => [`q${i}`, row.noAnswer]));
    for (const wanted of figures) {
      const { threshold } = wanted as { threshold: number };
      const found = squadTwoFigures(keysOf(rows), textsOf(rows), { noAnswer, threshold });
      const { hasAnswer, noAnswer: none, best } = found;
      const own: Record<string, number | undefined> = {
        ...{ exact: found.exact, f1: found.f1, total: found.total },
        ...{ HasAns_exact: hasAnswer?.exact, HasAns_f1: hasAnswer?.f1, HasAns_total: hasAnswer?.total },
        ...{ NoAns_exact: none?.exact, NoAns_f1: none?.f1, NoAns_total: none?.total },
        ...{ best_exact: best?.exact, best_exact_thresh: best?.exactThreshold },
        ...{ best_f1: best?.f1, best_f1_thresh: best?.f1Threshold },
      };
      const { threshold: _t, ...official } = wanted;
      const named = Object.fromEntries(Object.entries(own).filter(([, value]) => value !== undefined));
      expect(Object.keys(named).sort()).toEqual(Object.keys(official).sort());
      for (const [name, value] of Object.entries(official)) expect(named[name], name).toBeCloseTo(value, 9);
    }
  });
});
