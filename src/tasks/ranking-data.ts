/** @file Queries with candidates that answer them, and others that do not. */
import { DataError } from "../base/errors.ts";
import { type ColumnRef, cellText, type TableSource } from "../data/table.ts";
import type { EncodedText } from "./encode-text.ts";
import { showLabels, sortLabels } from "./label-name.ts";
import { regressionFacts, scoreName } from "./regression-data.ts";
import { encodedRows, rowLabel, type TextReading } from "./table-text.ts";
import type { LabelledText, TextTaskData } from "./text-task.ts";

/** A query and one of its candidates as one text; `label` is 1 where the candidate answers it, else 0. */
export interface RankedText extends LabelledText {
  /** Number of the query. */
  readonly query: number;
}

/** A query with a candidate that answers it, and the candidates that must stand behind it. */
export interface RelevantText extends RankedText {
  readonly rivals: readonly EncodedText[];
}

/** What a table of candidates holds. */
export interface RankingData extends TextTaskData<RankedText> {
  readonly numQueries: number;
  /** Each relevant candidate of a query that has others too. */
  readonly training: readonly RelevantText[];
}

export interface RankingReading extends TextReading {
  readonly labelColumn: ColumnRef;
  /** The label of candidates that answer their query; all others do not. */
  readonly relevantLabel: string;
}

/**
 * Reads a table with a query and a candidate a row. Rows with the same query belong together, wherever they stand.
 * @throws {DataError} RELEVANT_NONE, LABEL_MISSING, TEXT_EMPTY, DATA_EMPTY and the table's own
 */
export async function readRanked(source: TableSource, reading: RankingReading): Promise<RankingData> {
  const { labelColumn, relevantLabel, textColumns } = reading;
  const numbers = new Map<string, number>();
  const labels = new Set<string>();
  const examples: RankedText[] = [];
  for await (const chunk of encodedRows(source, reading)) {
    for (const { row, text } of chunk) {
      const name = cellText(row, textColumns[0]!, source.name);
      const query = numbers.get(name) ?? numbers.size;
      numbers.set(name, query);
      const label = rowLabel(row, labelColumn, source.name);
      labels.add(label);
      examples.push({ ...text, query, label: label === relevantLabel ? 1 : 0 });
    }
  }
  if (!labels.has(relevantLabel)) {
    const found = labels.size === 0 ? "there are no rows" : `the labels are ${showLabels(sortLabels([...labels]))}`;
    throw new DataError(
      `no row has the label ${JSON.stringify(relevantLabel)} of relevant candidates; ${found}. Set relevantLabel.`,
      { code: "RELEVANT_NONE", path: source.name },
    );
  }
  const rivals = Array.from({ length: numbers.size }, (): RankedText[] => []);
  for (const example of examples) if (example.label === 0) rivals[example.query]!.push(example);
  return {
    name: source.name,
    examples,
    training: examples
      .filter(({ label, query }) => label === 1 && rivals[query]!.length > 0)
      .map((example) => ({ ...example, rivals: rivals[example.query]! })),
    numQueries: numbers.size,
    labels: [scoreName],
    numTruncated: examples.filter(({ truncated }) => truncated).length,
    numSkipped: 0,
    facts: regressionFacts([0, 1]),
  };
}

/** Whether what a table holds are candidates of queries. */
export function isRanked(data: TextTaskData): data is RankingData {
  return "numQueries" in data;
}
