/** @file `firth index …`: an index of texts by their vectors. */
import type { Command } from "commander";
import { type IndexInfo, indexInfo, withIndex } from "../../api/vector-index.ts";
import { ConfigError } from "../../base/errors.ts";
import { chunksOf } from "../../data/chunk.ts";
import type { FoundEntry } from "../../retrieval/entry-store.ts";
import { defineCommand, runs } from "../define-command.ts";
import { addFieldOptions, fieldValues } from "../field-option.ts";
import { count, percent, table } from "../number-text.ts";
import { addCommand, buildCommand, removeCommand } from "./index-change.ts";
import { evaluateCommand } from "./index-evaluate.ts";
import {
  askedText,
  askFields,
  askTable,
  CHUNK,
  columnOf,
  modelOption,
  openingOptions,
  parseCount,
  sayUnfinished,
  sourceOf,
} from "./index-option.ts";

/** An entry found, as people read it. */
function foundText({ id, text, score }: FoundEntry): string {
  const line = text.replaceAll(/\s+/g, " ");
  return `${score.toFixed(4)}  ${id}  ${line.length > 100 ? `${line.slice(0, 99)}…` : line}`;
}

function searchCommand(): Command {
  const command = defineCommand("search", "the entries of an index that are nearest to texts")
    .argument("<folder>", "folder of the index")
    .argument("[texts...]", "texts to look for")
    .option("-d, --data <file>", "table of texts, or - for JSON lines on standard input; written as JSON lines")
    .option("--text <column>", "column of the text, by name or number from 0", "text")
    .option("--as <field>", "field for what is found", "found")
    .option("-k, --count <number>", "entries wanted for each text", parseCount, 10)
    .option("--exact", "compare all entries, also where there is an index of nearest neighbours")
    .option(...modelOption);
  addFieldOptions(command, askFields);
  return runs(command, async (session, given, [folder, ...texts]) => {
    const settings = askTable.resolve(fieldValues(given, askFields));
    if (texts.length === 0 && given.data === undefined) {
      const message = "must be given: texts, or a table with --data.";
      throw new ConfigError("index search", [{ path: "texts", message, code: "CONFIG_MISSING" }]);
    }
    const options = { count: given.count as number, isExact: given.exact === true };
    await withIndex(folder!, await openingOptions(session, given, settings), async (index) => {
      await sayUnfinished(session, index);
      if (texts.length > 0) {
        const found = await index.search(texts, options);
        const results = texts.map((text, i) => ({ text, found: found[i]! }));
        const lines = results.flatMap(({ text, found: own }) => [
          ...(texts.length > 1 ? [text] : []),
          ...own.map(foundText),
        ]);
        session.result(results, lines.join("\n"));
      }
      if (given.data === undefined) return;
      const source = sourceOf(given.data as string, settings);
      const as = given.as as string;
      for await (const rows of chunksOf(source.rows(), CHUNK)) {
        const asked = rows.map((row) => askedText(row, columnOf(given.text as string), [as], source.name));
        const found = await index.search(asked, options);
        for (const [i, { fields }] of rows.entries()) {
          await session.line(JSON.stringify({ ...fields, [as]: found[i] }));
        }
      }
    });
  });
}

function thresholdText(threshold: IndexInfo["threshold"]): string {
  if (threshold === null) return "none: every question is answered (firth index evaluate --keep-threshold)";
  const { value, aim, reranker, heldOut } = threshold;
  const by = reranker === null ? "cosines" : `re-ranker ${reranker}`;
  const held =
    heldOut && `; ${percent(heldOut.precision)} right, ${percent(heldOut.answered)} answered on other questions`;
  return `${value.toPrecision(4)} of ${by} (${aim}${held ?? ""})`;
}

/** What an index says of itself, as people read it. */
export function indexRows(info: IndexInfo): readonly (readonly [string, string])[] {
  const { model, neighbours, threshold, building, pending } = info;
  return [
    ["index", info.folder],
    ["entries", count(info.numEntries)],
    ["model", `${model.family}, ${model.folder ?? "in memory"}, ${model.fingerprint}`],
    [
      "vectors",
      `${model.dimension} numbers, ${model.pooling} of layer ${model.layer}, up to ${model.maxSeqLength} tokens`,
    ],
    ["columns", `text ${info.textColumn}, id ${info.idColumn ?? "line"}`],
    [
      "search",
      neighbours === null
        ? "compares all entries"
        : `${neighbours.numProbes} of ${neighbours.numPartitions} partitions, recall ${percent(neighbours.recall)}`,
    ],
    ["threshold", thresholdText(threshold)],
    ...(building === null ? [] : [["not whole", `being made of ${building}; the same command goes on`] as const]),
    ...pending.map((source) => ["not whole", `adding ${source}; the same command goes on`] as const),
  ];
}

function infoCommand(): Command {
  const command = defineCommand("info", "what an index holds").argument("<folder>", "folder of the index");
  return runs(command, async (session, _given, [folder]) => {
    const info = await indexInfo(folder!);
    session.result(info, table(indexRows(info)));
  });
}

/** `firth index …`. */
export function indexCommands(index: Command): void {
  index.description("an index of texts by their vectors: make it, add, remove, search, evaluate");
  for (const make of [buildCommand, addCommand, removeCommand, searchCommand, infoCommand, evaluateCommand]) {
    index.addCommand(make());
  }
}
