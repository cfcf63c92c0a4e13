/** @file Whether one run is better than another on the same held-out data. */
import { ConfigError, DataError, nearestName } from "../base/errors.ts";
import { type BootstrapComparison, type ComparisonOptions, pairedBootstrap } from "../evaluation/index.ts";
import { rowFigures } from "./judged-figure.ts";
import { askedOf, type JudgedRow } from "./judged-row.ts";

export interface CompareRunsOptions extends ComparisonOptions {
  /** As `accuracy`; the task's usual one by default. */
  readonly figure?: string | undefined;
}

/** Two runs compared; what is positive speaks for the second where higher is better. */
export interface RunComparison extends BootstrapComparison {
  readonly figure: string;
  readonly higherIsBetter: boolean;
  readonly numRows: number;
  readonly confidence: number;
  /** Rows that only the first or only the second has right; undefined for tasks without right and wrong. */
  readonly onlyFirst: number | undefined;
  readonly onlySecond: number | undefined;
  /** The better one where the interval leaves zero out; undefined where the data do not say. */
  readonly better: "first" | "second" | undefined;
}

/** Whether a row is right, where that can be said. */
function isRight(row: JudgedRow): boolean | undefined {
  switch (row.task) {
    case "textClassification":
    case "multipleChoice":
      return row.label === row.prediction;
    case "tokenClassification":
      return row.label.every((tag, i) => tag === row.prediction[i]);
    case "questionAnswering":
      return row.exact === 1;
    default:
      return undefined;
  }
}

/**
 * Paired bootstrap between what two runs said of the same held-out data.
 * @throws {DataError} ROWS_DIFFER where the data are not the same, DATA_EMPTY, CONFIG_RANGE
 * @throws {ConfigError} FIGURE_UNKNOWN
 * @source Koehn 2004; see `pairedBootstrap`
 */
export function compareRuns(
  first: readonly JudgedRow[],
  second: readonly JudgedRow[],
  { figure: name, ...options }: CompareRunsOptions = {},
): RunComparison {
  const differs = Array.from({ length: Math.max(first.length, second.length) }, (_, i) => i).find((i) => {
    const [a, b] = [first[i], second[i]];
    return a === undefined || b === undefined || a.task !== b.task || askedOf(a) !== askedOf(b);
  });
  if (differs !== undefined) {
    throw new DataError(
      `both runs must tell of the same rows in the same order; row ${differs + 1} differs (${first.length} and ${second.length} rows). Evaluate both on one file.`,
      { code: "ROWS_DIFFER", path: "compareRuns", details: { row: differs } },
    );
  }
  const figures = rowFigures([...first, ...second]);
  const names = figures.map((own) => own.name);
  const figure = figures.find((own) => own.name === (name ?? names[0]));
  if (figure === undefined && first.length > 0) {
    const near = nearestName(name ?? "", names);
    const hint = near === undefined ? "" : ` Use ${near}.`;
    const message = `must be one of ${names.join(", ")}; got ${JSON.stringify(name)}.${hint}`;
    throw new ConfigError("compareRuns", [{ path: "figure", message, code: "FIGURE_UNKNOWN" }]);
  }
  const [own, other] = [first, second].map((rows) => rows.map((row) => figure!.numbers(row)));
  const compared = pairedBootstrap(own!, other!, (rows) => figure!.of(rows), options);
  const [low, high] = compared.interval;
  const { higherIsBetter } = figure!;
  const isSure = low > 0 || high < 0;
  const rights = first.map((row, i) => [isRight(row), isRight(second[i]!)] as const);
  const isKnown = rights.every(([a]) => a !== undefined);
  const count = (a: boolean): number => rights.filter(([x, y]) => x === a && y === !a).length;
  return {
    ...compared,
    ...{ figure: figure!.name, higherIsBetter, numRows: first.length, confidence: options.confidence ?? 0.95 },
    onlyFirst: isKnown ? count(true) : undefined,
    onlySecond: isKnown ? count(false) : undefined,
    better: isSure ? (low > 0 === higherIsBetter ? "second" : "first") : undefined,
  };
}

/** A comparison as plain text. */
export function comparisonText(
  { figure, first, second, difference, interval, pValue, better, ...rest }: RunComparison,
  [nameOfFirst, nameOfSecond]: readonly [string, string],
): string {
  const show = (value: number): string => value.toFixed(4);
  const span = ([low, high]: readonly [number, number]): string => `[${show(low)}, ${show(high)}]`;
  const width = Math.max(nameOfFirst.length, nameOfSecond.length, "difference".length);
  const line = (name: string, value: number, own: readonly [number, number]): string =>
    `${name.padEnd(width)}  ${(value >= 0 ? " " : "") + show(value)}  ${span(own)}`;
  const winner = better === "first" ? nameOfFirst : nameOfSecond;
  const verdict =
    better === undefined
      ? `The data do not tell the runs apart: the interval of the difference holds 0.`
      : `${winner} is better: the interval of the difference leaves 0 out.`;
  const only =
    rest.onlyFirst === undefined
      ? ""
      : `\nRight in one run only: ${rest.onlyFirst} rows in the first, ${rest.onlySecond} in the second.`;
  return [
    `${figure} on ${rest.numRows} rows (${rest.higherIsBetter ? "higher" : "lower"} is better), with ${100 * rest.confidence} % intervals of ${rest.numResamples} paired resamples, seed ${rest.seed}`,
    line(nameOfFirst, first, rest.firstInterval),
    line(nameOfSecond, second, rest.secondInterval),
    line("difference", difference, interval),
    `p ${pValue < 0.001 ? "< 0.001" : pValue.toFixed(3)} (two-sided). ${verdict}${only}`,
  ].join("\n");
}
