/** @file Pairs from texts with classes: what means the same belongs together, what does not lies apart. */
import { ConfigError, type ConfigIssue, DataError } from "../base/errors.ts";
import { Random } from "../base/random.ts";
import { type ColumnRef, cellText, type TableRow, TableSource } from "../data/table.ts";
import { rowLabel } from "./table-text.ts";

/** Where texts and their classes stand. */
export interface LabelColumns {
  /** `text` by default. */
  readonly textColumn?: ColumnRef | undefined;
  /** `label` by default. */
  readonly labelColumn?: ColumnRef | undefined;
  /** Of the draw; 1 by default. */
  readonly seed?: number | undefined;
}

export interface LabelPairOptions extends LabelColumns {
  /** Pairs that each text begins, with different texts of its class as far as there are any; 1 by default. */
  readonly numPositives?: number | undefined;
  /** Texts of other classes for each pair; 0 by default. */
  readonly numNegatives?: number | undefined;
  /**
   * `ranked` (the default): a row a pair, with `question`, `answer`, `group`, the class, and `negatives`, a list, where there
   * are any; for the loss inBatchNegatives. `scored`: a row for each pair and for each negative, with `question`, `answer` and
   * `label`, 1 or 0; for the losses cosine and classification.
   */
  readonly form?: "ranked" | "scored" | undefined;
}

/** A text of a table with its class. */
interface Labelled {
  readonly text: string;
  readonly label: string;
  readonly line: number;
}

/** Tries before texts of other classes are listed. */
const MOST_TRIES = 50;

/** The texts of a table with their classes, each once. @throws {DataError} TEXT_EMPTY, LABEL_MISSING, COLUMN_UNKNOWN */
async function readLabelled(
  source: TableSource,
  { textColumn = "text", labelColumn = "label" }: LabelColumns,
): Promise<Labelled[]> {
  const found = new Map<string, Labelled>();
  for await (const row of source.rows()) {
    const text = cellText(row, textColumn, source.name).trim();
    if (text === "") {
      throw new DataError(
        `line ${row.line}: the text in column ${textColumn} is empty. Fill it in, or remove the row.`,
        {
          code: "TEXT_EMPTY",
          path: source.name,
          details: { line: row.line, column: textColumn },
        },
      );
    }
    const label = rowLabel(row, labelColumn, source.name);
    const key = JSON.stringify([label, text]);
    if (!found.has(key)) found.set(key, { text, label, line: row.line });
  }
  return [...found.values()];
}

function byLabel(texts: readonly Labelled[]): Map<string, Labelled[]> {
  const classes = new Map<string, Labelled[]>();
  for (const text of texts) {
    const own = classes.get(text.label);
    if (own === undefined) classes.set(text.label, [text]);
    else own.push(text);
  }
  return classes;
}

/** Some different items of a list but one, in random order. */
function drawBeside(items: readonly Labelled[], one: Labelled, count: number, random: Random): Labelled[] {
  if (4 * count >= items.length) return random.shuffle(items.filter((item) => item !== one)).slice(0, count);
  const drawn = new Set<Labelled>();
  while (drawn.size < count) {
    const item = items[random.nextInt(items.length)]!;
    if (item !== one) drawn.add(item);
  }
  return [...drawn];
}

/** A text of another class; not one that stands in this class, too. */
function drawOther(
  all: readonly Labelled[],
  { label }: Labelled,
  own: ReadonlySet<string>,
  taken: ReadonlySet<string>,
  random: Random,
): string | undefined {
  const isOther = (item: Labelled): boolean => item.label !== label && !own.has(item.text) && !taken.has(item.text);
  for (let i = 0; i < MOST_TRIES; i++) {
    const item = all[random.nextInt(all.length)]!;
    if (isOther(item)) return item.text;
  }
  const others = all.filter(isOther);
  return others.length === 0 ? undefined : others[random.nextInt(others.length)]!.text;
}

function tooFew(name: string, numTexts: number, numClasses: number, what: string): DataError {
  return new DataError(
    `${what}; got ${numTexts} different texts of ${numClasses} classes. Is it the right labelColumn? Else give more texts.`,
    { code: "LABELS_TOO_FEW", path: name },
  );
}

function checkCounts(numPositives: number, numNegatives: number): void {
  const counts = [
    ["numPositives", numPositives, 1],
    ["numNegatives", numNegatives, 0],
  ] as const;
  const issues = counts.flatMap(([path, value, least]): ConfigIssue[] =>
    Number.isInteger(value) && value >= least
      ? []
      : [{ path, message: `must be a whole number ≥ ${least}; got ${value}.`, code: "CONFIG_RANGE" }],
  );
  if (issues.length > 0) throw new ConfigError("labelPairs", issues);
}

function tableOf(name: string, rows: readonly TableRow[]): TableSource {
  return new TableSource(
    name,
    async function* () {
      yield* rows;
    },
    {},
  );
}

/**
 * Pairs for `finetuneRetrieval` from texts with classes, such as questions with their intents: each text with others of its
 * class, and texts of other classes as negatives. The same seed draws the same pairs. A text that is alone in its class
 * begins no pair, but may be a negative; texts that stand in a table several times count once.
 * @returns a table with the columns that `retrieval` reads by itself; `groupColumn: "group"` keeps texts of a class from being
 * negatives of each other in a batch
 * @throws {DataError} LABELS_TOO_FEW, TEXT_EMPTY, LABEL_MISSING, COLUMN_UNKNOWN, naming file and line
 * @throws {ConfigError} for wrong options
 */
export async function labelPairs(source: TableSource, options: LabelPairOptions = {}): Promise<TableSource> {
  const { numPositives = 1, numNegatives = 0, form = "ranked", seed = 1 } = options;
  checkCounts(numPositives, numNegatives);
  const all = await readLabelled(source, options);
  const classes = byLabel(all);
  if (![...classes.values()].some((own) => own.length > 1)) {
    throw tooFew(source.name, all.length, classes.size, "a pair needs a class with two texts at least");
  }
  const textsOf = new Map([...classes].map(([label, own]) => [label, new Set(own.map(({ text }) => text))]));
  const rows: TableRow[] = [];
  for (const item of all) {
    const { text, label, line } = item;
    const random = new Random(seed, "label-pairs", label, text);
    for (const { text: answer } of drawBeside(classes.get(label)!, item, numPositives, random)) {
      const negatives = new Set<string>();
      for (let i = 0; i < numNegatives; i++) {
        const other = drawOther(all, item, textsOf.get(label)!, negatives, random);
        if (other === undefined) {
          const what = `line ${line}: ${numNegatives} texts of other classes are needed for one of ${JSON.stringify(label)}`;
          throw tooFew(source.name, all.length, classes.size, what);
        }
        negatives.add(other);
      }
      if (form === "ranked") {
        const more = numNegatives === 0 ? {} : { negatives: [...negatives] };
        rows.push({ line, fields: { question: text, answer, group: label, ...more } });
        continue;
      }
      rows.push({ line, fields: { question: text, answer, label: "1" } });
      for (const other of negatives) rows.push({ line, fields: { question: text, answer: other, label: "0" } });
    }
  }
  return tableOf(`pairs of ${source.name}`, rows);
}

/** Held-out questions with an answer each, and all texts that they are searched for among. */
export interface LabelSearch {
  /** Columns `question`, `answer`, `group`. */
  readonly pairs: TableSource;
  /** Columns `answer`, `group`. */
  readonly corpus: TableSource;
}

/**
 * A held-out search by class: a question is answered by every text of its class. No text is both question and answer, which
 * would find itself.
 * @param options `among`: labelled texts that are searched; when left out, half the texts of each class are searched for by
 * the other half
 * @throws {DataError} LABELS_TOO_FEW, TEXT_EMPTY, LABEL_MISSING, COLUMN_UNKNOWN, naming file and line
 */
export async function labelSearch(
  source: TableSource,
  options: LabelColumns & { readonly among?: TableSource | undefined } = {},
): Promise<LabelSearch> {
  const { seed = 1, among } = options;
  const asked = await readLabelled(source, options);
  const halves = (own: readonly Labelled[]): readonly [Labelled[], Labelled[]] => {
    const mixed = new Random(seed, "label-search", own[0]!.label).shuffle([...own]);
    const middle = mixed.length >> 1;
    return [mixed.slice(0, middle), mixed.slice(middle)];
  };
  const parts = among === undefined ? [...byLabel(asked).values()].map(halves) : [];
  const found = among === undefined ? parts.flatMap(([, half]) => half) : await readLabelled(among, options);
  const answers = byLabel(found);
  const known = new Set(found.map(({ text }) => text));
  const questions = (among === undefined ? parts.flatMap(([half]) => half) : asked)
    .filter(({ text, label }) => answers.has(label) && !known.has(text))
    .toSorted((a, b) => a.line - b.line);
  if (questions.length === 0) {
    throw tooFew(
      source.name,
      asked.length,
      byLabel(asked).size,
      "a search needs a question and another text of its class",
    );
  }
  const pairs = questions.map(({ text, label, line }) => {
    const own = answers.get(label)!;
    const { text: answer } = own[new Random(seed, "label-search", label, text).nextInt(own.length)]!;
    return { line, fields: { question: text, answer, group: label } };
  });
  const name = among?.name ?? source.name;
  return {
    pairs: tableOf(`questions of ${source.name}`, pairs),
    corpus: tableOf(
      `texts of ${name}`,
      found.map(({ text, label, line }) => ({ line, fields: { answer: text, group: label } })),
    ),
  };
}
