/** @file What `firth evaluate` shows of classes, numbers and rankings, and which options are for which model. */
import type { TableEvaluation } from "../../api/predict.ts";
import { ConfigError } from "../../base/errors.ts";
import { formatClassificationReport } from "../../evaluation/index.ts";
import type { Given } from "../define-command.ts";
import { count, table } from "../number-text.ts";
import type { Session } from "../session.ts";
import { layoutIssues, type OtherLayout } from "../settings/file-layout.ts";

/** The model and the file that figures are of. */
export interface EvaluatedPlace {
  readonly model: string;
  readonly data: string;
}

/** Shows figures that are numbers. */
export function tellNumbers(session: Session, place: EvaluatedPlace, figures: object): void {
  const numbers = Object.entries(figures).filter(([, value]) => typeof value === "number");
  const rows = numbers.map(([name, value]): [string, string] => [
    name,
    Number.isInteger(value) ? count(value) : value.toFixed(4),
  ]);
  session.result({ ...place, ...figures }, table(rows));
}

/** Shows figures of classes. */
export function tellClasses(session: Session, place: EvaluatedPlace, evaluation: TableEvaluation): void {
  session.result({ ...place, ...evaluation }, formatClassificationReport(evaluation).trimEnd());
  const { numTruncated, numSkipped } = evaluation;
  if (numTruncated > 0) session.say(`${count(numTruncated)} texts were cut to the longest length.`);
  if (numSkipped > 0) session.say(`${count(numSkipped)} rows were left out for their label.`);
}

/** Options of `firth evaluate` that only some models have. */
const owned = {
  text: "models of texts, pairs and written texts",
  label: "models that give a class or a number",
  skipLabels: "models that give a class",
  answers: "models that answer questions",
} as const;

/**
 * Refuses the options that a model does not have, but for those named.
 * @throws {ConfigError} CONFIG_UNSUPPORTED for all of them together
 */
export function refuseOwned(given: Given, has: readonly (keyof typeof owned)[]): void {
  const issues = Object.entries(owned)
    .filter(([name]) => given[name] !== undefined && !has.some((own) => own === name))
    .map(([path, who]) => ({ path, message: `is for ${who}. Leave it out.`, code: "CONFIG_UNSUPPORTED" }));
  if (issues.length > 0) throw new ConfigError("evaluate", issues);
}

/**
 * Refuses options of tables where the model's files are none.
 * @throws {ConfigError} CONFIG_UNSUPPORTED for all of them together
 */
export function refuseLayout(reading: Parameters<typeof layoutIssues>[0], layout: OtherLayout): void {
  const issues = layoutIssues(reading, layout);
  if (issues.length > 0) throw new ConfigError("evaluate", issues);
}
