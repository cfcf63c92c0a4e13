/** @file Errors in classes and numbers, as parts of a page. */
import { type Calibration, calibration, classificationReport } from "../evaluation/index.ts";
import type { Example, MarkedText, ReportSection } from "../report/index.ts";
import type { JudgedOf } from "./judged-row.ts";

/** Classes whose confusions are drawn as a matrix; beyond, only the commonest confusions are listed. */
const MATRIX_CLASSES = 20;
export const numeric = (label: string) => ({ label, numeric: true });

/** The commonest pairs of a true and another predicted name. */
function commonConfusions(pairs: readonly (readonly [string, string])[], most: number): (string | number)[][] {
  const counts = new Map<string, { readonly pair: readonly [string, string]; count: number }>();
  for (const pair of pairs) {
    if (pair[0] === pair[1]) continue;
    const key = JSON.stringify(pair);
    const known = counts.get(key);
    if (known === undefined) counts.set(key, { pair, count: 1 });
    else known.count++;
  }
  const sorted = [...counts.values()].sort((a, b) => b.count - a.count);
  return sorted.slice(0, most).map(({ pair, count }) => [...pair, count]);
}

export function confusionSections(
  names: readonly string[],
  pairs: readonly (readonly [string, string])[],
): ReportSection[] {
  const numbers = new Map(names.map((name, i) => [name, i]));
  const report = classificationReport(
    pairs.map(([truth]) => numbers.get(truth)!),
    pairs.map(([, guess]) => numbers.get(guess)!),
    names,
  );
  const perClass: ReportSection = {
    kind: "table",
    title: "Class by class",
    columns: [{ label: "class" }, ...["precision", "recall", "F1", "true", "predicted"].map(numeric)],
    rows: report.classes.map(({ name, precision, recall, f1, support, predicted }) => [
      ...[name, precision, recall, f1, support, predicted],
    ]),
  };
  const confusions = commonConfusions(pairs, 12);
  const list: ReportSection[] =
    names.length <= 2 || confusions.length === 0
      ? []
      : [
          {
            kind: "table",
            title: "Commonest confusions",
            columns: [{ label: "true" }, { label: "predicted" }, numeric("rows")],
            rows: confusions,
          },
        ];
  const matrix: ReportSection = { kind: "confusion", title: "Confusions", names, matrix: report.confusion };
  return [...(names.length <= MATRIX_CLASSES ? [matrix] : []), perClass, ...list];
}

/** How often predictions of a confidence are right. */
export function reliabilitySection({ error, bins }: Calibration, what: string): ReportSection {
  const filled = bins.filter(({ count }) => count > 0);
  return {
    kind: "lineChart",
    chart: {
      title: "Calibration",
      xLabel: `probability of the ${what}`,
      yLabel: "share that is right",
      series: [
        {
          name: "this model",
          points: filled.map(({ confidence, accuracy }) => [confidence, accuracy] as const),
          markers: true,
        },
        {
          name: "perfect",
          points: [
            [0, 0],
            [1, 1],
          ],
          dashed: true,
        },
      ],
      yRange: { min: 0, max: 1 },
    },
    note: `Expected calibration error ${error.toFixed(4)} (10 bins of equal width). Rows in the bins: ${filled.map(({ count }) => count).join(", ")}.`,
  };
}

/** UTF-16 units of a long text that are shown. */
const SHOWN = 2_000;

/** The place itself, or the one before it where it lies inside a character. */
export function betweenCharacters(text: string, place: number): number {
  const isInside = (text.charCodeAt(place) & 0xfc00) === 0xdc00 && (text.charCodeAt(place - 1) & 0xfc00) === 0xd800;
  return isInside ? place - 1 : place;
}

/** A text without marks; of a long one its beginning. */
export const unmarked = (text: string, label?: string): MarkedText => ({
  text: text.length <= SHOWN ? text : `${text.slice(0, betweenCharacters(text, SHOWN))} …`,
  marks: [],
  ...(label === undefined ? {} : { label }),
});
export const asPercent = (share: number): string => `${(100 * share).toFixed(1)} %`;

export function classSections(rows: readonly JudgedOf<"textClassification">[], most: number): ReportSection[] {
  const names = [...new Set(rows.flatMap(({ probabilities, label }) => [...Object.keys(probabilities), label]))];
  const shares = rows.map(({ probabilities }) => names.map((name) => probabilities[name] ?? 0));
  const labels = rows.map(({ label }) => names.indexOf(label));
  const wrong = rows
    .filter(({ label, prediction }) => label !== prediction)
    .sort((a, b) => (a.probabilities[a.label] ?? 0) - (b.probabilities[b.label] ?? 0));
  const example = ({ line, texts, label, prediction, probabilities }: JudgedOf<"textClassification">): Example => ({
    title: `line ${line} · true: ${label} · predicted: ${prediction}`,
    texts: texts.map((text) => unmarked(text)),
    guesses: Object.entries(probabilities)
      .map(([name, probability]) => ({ name, probability, isTrue: name === label }))
      .sort((a, b) => b.probability - a.probability)
      .filter(({ isTrue }, i) => i < 4 || isTrue),
  });
  return [
    ...confusionSections(
      names,
      rows.map(({ label, prediction }) => [label, prediction] as const),
    ),
    reliabilitySection(calibration(labels, shares, 10), "predicted class"),
    worst(wrong.slice(0, most).map(example), wrong.length, "in which the true class was least likely"),
  ];
}

export function worst(examples: readonly Example[], total: number, which: string): ReportSection {
  if (total === 0) return { kind: "text", title: "Worst examples", paragraphs: ["Nothing is wrong here."] };
  const all =
    examples.length === total ? `All ${total} that are wrong` : `${examples.length} of ${total} that are wrong`;
  return { kind: "examples", title: "Worst examples", examples, note: `${all}, first those ${which}.` };
}

export function scoreSections(rows: readonly JudgedOf<"textRegression">[], most: number): ReportSection[] {
  const ends = rows.flatMap(({ label, prediction }) => [label, prediction]);
  const [low, high] = ends.reduce<readonly [number, number]>(
    ([a, b], value) => [Math.min(a, value), Math.max(b, value)],
    [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY],
  );
  const sorted = rows.toSorted((a, b) => Math.abs(b.label - b.prediction) - Math.abs(a.label - a.prediction));
  const examples = sorted.slice(0, most).map(
    ({ line, texts, label, prediction }): Example => ({
      title: `line ${line} · true: ${label} · predicted: ${prediction.toFixed(3)} · off by ${(prediction - label).toFixed(3)}`,
      texts: texts.map((text) => unmarked(text)),
    }),
  );
  return [
    {
      kind: "lineChart",
      chart: {
        title: "Predicted over true",
        xLabel: "true",
        yLabel: "predicted",
        series: [
          { name: "items", points: rows.map(({ label, prediction }) => [label, prediction] as const), dots: true },
          {
            name: "equal",
            points: [
              [low, low],
              [high, high],
            ],
            dashed: true,
          },
        ],
      },
    },
    {
      kind: "examples",
      title: "Worst examples",
      examples,
      note: `${examples.length} of ${rows.length}, the farthest from the truth first.`,
    },
  ];
}

export function choiceSections(rows: readonly JudgedOf<"multipleChoice">[], most: number): ReportSection[] {
  const wrong = rows
    .filter(({ label, prediction }) => label !== prediction)
    .sort((a, b) => a.probabilities[a.label]! - b.probabilities[b.label]!);
  const example = ({
    line,
    question,
    context,
    options,
    label,
    probabilities,
  }: JudgedOf<"multipleChoice">): Example => ({
    title: `line ${line}`,
    texts: [...(context === "" ? [] : [unmarked(context)]), unmarked(question, "Question:")],
    guesses: options
      .map((name, i) => ({ name, probability: probabilities[i]!, isTrue: i === label }))
      .sort((a, b) => b.probability - a.probability),
  });
  const calibrated = calibration(
    rows.map(({ label, prediction }) => (label === prediction ? 0 : 1)),
    rows.map(({ probabilities, prediction }) => [probabilities[prediction]!, 0]),
    10,
  );
  return [
    reliabilitySection(calibrated, "chosen option"),
    worst(wrong.slice(0, most).map(example), wrong.length, "in which the right option was least likely"),
  ];
}
