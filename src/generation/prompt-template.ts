/** @file Tasks as text: rows of a table become examples, and a question whose answer a network is to find likely. */
import { parseDocument } from "yaml";
import { ConfigError, type ConfigIssue, DataError } from "../base/errors.ts";
import { Random } from "../base/random.ts";
import type { Normalization } from "./option-likelihood.ts";
import { normalizations, type OptionQuestion } from "./option-likelihood.ts";

/** How rows become prompts. */
export interface PromptTemplate {
  /** Stands first; empty for none. */
  readonly instruction: string;
  /** One example, with `{column}` for fields of a row; `{answer}` stands for the answer, and the question ends before it. */
  readonly example: string;
  /** Between instruction, examples and question. */
  readonly separator: string;
  /** Column of the answer. */
  readonly answer: string;
  /** The text of each answer, by its value in the column. */
  readonly options: ReadonlyMap<string, string>;
  /** What likelihoods are divided by before they are compared. */
  readonly normalization: Normalization;
}

/** A row of a table by the names of its columns. */
export type PromptRow = Readonly<Record<string, string>>;

const keys = ["instruction", "example", "separator", "answer", "options", "normalization"];
const ANSWER = "{answer}";

function templateIssues(value: Readonly<Record<string, unknown>>): ConfigIssue[] {
  const issues: ConfigIssue[] = [];
  const refuse = (path: string, message: string, code: string): void => {
    issues.push({ path, message, code });
  };
  for (const key of Object.keys(value)) {
    if (!keys.includes(key)) refuse(key, `is not a setting. Known: ${keys.join(", ")}.`, "CONFIG_UNKNOWN_KEY");
  }
  for (const key of ["instruction", "example", "separator", "answer", "normalization"]) {
    const given = value[key];
    if (given === undefined ? key === "example" || key === "answer" : typeof given !== "string") {
      refuse(key, `must be a text; got ${JSON.stringify(given)}.`, "CONFIG_VALUE");
    }
  }
  if (typeof value.example === "string" && value.example.split(ANSWER).length !== 2) {
    refuse("example", `must have ${ANSWER} once; got ${JSON.stringify(value.example)}.`, "CONFIG_VALUE");
  }
  const { options, normalization } = value;
  const isTable = typeof options === "object" && options !== null && !Array.isArray(options);
  if (!isTable || Object.keys(options).length < 2 || Object.values(options).some((text) => typeof text !== "string")) {
    refuse("options", "must give the text of two answers or more, by their values.", "CONFIG_VALUE");
  }
  if (typeof normalization === "string" && !(normalizations as readonly string[]).includes(normalization)) {
    refuse("normalization", `must be one of ${normalizations.join(", ")}; got "${normalization}".`, "CONFIG_VALUE");
  }
  return issues;
}

/**
 * Reads a template.
 * @param text YAML with `example`, `answer` and `options`; `instruction`, `separator` and `normalization` if wanted
 * @throws {ConfigError} all problems together
 */
export function parsePromptTemplate(text: string, path: string): PromptTemplate {
  const document = parseDocument(text);
  const [error] = document.errors;
  if (error !== undefined) {
    throw new ConfigError(path, [{ path: "yaml", message: error.message, code: "TEMPLATE_MALFORMED" }]);
  }
  const value: unknown = document.toJS();
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new ConfigError(path, [
      { path: "yaml", message: "must be a table of settings.", code: "TEMPLATE_MALFORMED" },
    ]);
  }
  const settings = value as Readonly<Record<string, unknown>>;
  const issues = templateIssues(settings);
  if (issues.length > 0) throw new ConfigError(path, issues);
  const given = settings as Readonly<Record<string, string | undefined>>;
  return {
    instruction: given.instruction ?? "",
    example: given.example!,
    separator: given.separator ?? "\n\n",
    answer: given.answer!,
    options: new Map(Object.entries(settings.options as Record<string, string>)),
    normalization: (given.normalization ?? "none") as Normalization,
  };
}

/** A row in the example's place of its columns. @throws {DataError} COLUMN_UNKNOWN */
function filled(pattern: string, row: PromptRow): string {
  return pattern.replace(/\{([^{}]+)\}/g, (braced, name: string) => {
    if (Object.hasOwn(row, name)) return row[name]!;
    // Braces around several words are text, unless a column is called so.
    if (/\s/.test(name)) return braced;
    throw new DataError(`the table has no column "${name}", which the template names. Columns: ${Object.keys(row)}.`, {
      code: "COLUMN_UNKNOWN",
      path: "template.example",
    });
  });
}

/** Value of a row's answer. @throws {DataError} ANSWER_UNKNOWN */
export function answerOf({ answer, options }: PromptTemplate, row: PromptRow): string {
  const value = row[answer];
  if (value !== undefined && options.has(value)) return value;
  const known = [...options.keys()].join(", ");
  throw new DataError(`column "${answer}" must hold one of ${known}; got ${JSON.stringify(value)}.`, {
    code: "ANSWER_UNKNOWN",
    path: "template.options",
  });
}

/** The question of a row behind examples, and what may follow it. */
export function promptFor(template: PromptTemplate, shots: readonly PromptRow[], row: PromptRow): OptionQuestion {
  const { instruction, example, separator, options } = template;
  const [before, after] = example.split(ANSWER) as [string, string];
  const examples = shots.map(
    (shot) => filled(before, shot) + options.get(answerOf(template, shot))! + filled(after, shot),
  );
  const parts = [...(instruction === "" ? [] : [instruction]), ...examples, filled(before, row)];
  return { context: parts.join(separator), options: [...options.values()] };
}

/**
 * Rows to be shown as examples: drawn from the seed, each answer in turn.
 * @throws {DataError} EXAMPLES_TOO_FEW
 */
export function drawShots(
  template: PromptTemplate,
  rows: readonly PromptRow[],
  count: number,
  seed: number,
): PromptRow[] {
  const random = new Random(seed, "shots");
  const byAnswer = new Map<string, PromptRow[]>([...template.options.keys()].map((value) => [value, []]));
  for (const row of random.shuffle([...rows])) byAnswer.get(answerOf(template, row))!.push(row);
  const shots: PromptRow[] = [];
  while (shots.length < count) {
    const before = shots.length;
    for (const list of byAnswer.values()) {
      const next = list.shift();
      if (next !== undefined && shots.length < count) shots.push(next);
    }
    if (shots.length > before) continue;
    throw new DataError(`there are ${rows.length} examples; ${count} are to be shown. Show fewer.`, {
      code: "EXAMPLES_TOO_FEW",
      path: "shots",
    });
  }
  return random.shuffle(shots);
}
