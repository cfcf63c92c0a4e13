/** @file `firth index build|add|remove|search|info|evaluate`: an index of texts by their vectors. */
import { type Command, InvalidArgumentError } from "commander";
import { evaluateRetrieval, type RetrievalEvaluation, readQuestions } from "../../api/evaluate-retrieval.ts";
import { openFaqBot } from "../../api/faq-bot.ts";
import { loadClassifier, loadPretrained } from "../../api/load.ts";
import {
  type Added,
  buildIndex,
  type IndexInfo,
  indexInfo,
  type OpenIndexOptions,
  removeFromIndex,
  type VectorIndex,
  withIndex,
} from "../../api/vector-index.ts";
import { ConfigError, DataError } from "../../base/errors.ts";
import { chunksOf } from "../../data/chunk.ts";
import { cellText, type TableRow, TableSource } from "../../data/table.ts";
import { choiceField, defineFields, integerField, nullableField } from "../../formats/config-fields.ts";
import { defineConfig } from "../../formats/config-table.ts";
import type { FoundEntry } from "../../retrieval/entry-store.ts";
import { poolings } from "../../tasks/pooling.ts";
import { defineCommand, type Given, runs } from "../define-command.ts";
import { addFieldOptions, fieldValues, parseWord } from "../field-option.ts";
import { count, percent, table } from "../number-text.ts";
import { formatDuration, formatRate } from "../progress/index.ts";
import type { Session } from "../session.ts";
import { engineFields, givenEngine } from "../settings/engine.ts";
import { openTable, tableFields } from "../settings/text.ts";
import { standardInput } from "./standard-input.ts";

const computing = defineFields({
  batchSize: integerField({ default: 32, min: 1, doc: "Texts of 128 tokens computed together, more if shorter." }),
  quantize: choiceField(["none", "int8"], { default: "none", doc: "Linear layers in 8 bits: faster, less exact." }),
  ...engineFields,
});
const neighboursField = choiceField(["auto", "always", "never"], {
  default: "auto",
  doc: "An index of nearest neighbours beside the vectors; auto: from 20,000 entries on.",
});
const addFields = defineFields({ neighbours: neighboursField, ...tableFields, ...computing });
const buildFields = defineFields({
  pooling: nullableField(choiceField(poolings, { doc: "How tokens' vectors become one; the model's own, or mean." })),
  layer: integerField({ default: -1, doc: "Whose output is taken: 0 the embeddings', -1 the last layer's." }),
  maxSeqLength: nullableField(integerField({ min: 5, doc: "Longest text in tokens; the model's own if not given." })),
  ...addFields,
});
export const askFields = defineFields({ ...tableFields, ...computing });
const buildTable = defineConfig({ name: "index", fields: buildFields });
const addTable = defineConfig({ name: "index", fields: addFields });
export const askTable = defineConfig({ name: "index", fields: askFields });

/** A table by its file's name, or JSON lines of standard input. */
export function sourceOf(data: string, reading: Parameters<typeof openTable>[1]): TableSource {
  return data === "-" ? new TableSource("standard input", standardInput, {}) : openTable(data, reading);
}

/** A column by name, or by number from 0. */
export function columnOf(word: string): string | number {
  const value = parseWord(word);
  return typeof value === "number" && Number.isInteger(value) && value >= 0 ? value : word;
}

type Computing = Parameters<typeof givenEngine>[0] & {
  readonly batchSize: number;
  readonly quantize: "none" | "int8";
};

/** How models compute, as the library takes it. */
export function computingOptions(session: Session, settings: Computing) {
  const { batchSize, quantize, engine, dtype, threads, binding, onednnLibrary } = settings;
  const onNotice = (message: string): void => session.say(message);
  return { batchSize, quantize, onNotice, ...givenEngine({ engine, dtype, threads, binding, onednnLibrary }) };
}

/** An index's options: the model that `--model` names. */
export async function openingOptions(session: Session, given: Given, settings: Computing): Promise<OpenIndexOptions> {
  const model = given.model === undefined ? {} : { model: await loadPretrained(given.model as string) };
  return { ...computingOptions(session, settings), ...model };
}

const modelOption = ["-m, --model <folder>", "the index's model, where it is not at its place any more"] as const;

/** Shows how adding goes on; says how to go on where it was ended. */
async function watched(
  session: Session,
  label: string,
  work: (onProgress: (progress: { readonly done: number }) => void, signal: AbortSignal) => Promise<Added>,
): Promise<Added & { readonly seconds: number }> {
  const began = performance.now();
  const result = await session.stoppable((signal) =>
    session.watch({ label, unit: "entries" }, (display) => work(({ done }) => display.update(done), signal)),
  );
  return { ...result, seconds: (performance.now() - began) / 1000 };
}

function addedText(info: IndexInfo, { added, kept, isWhole, seconds }: Added & { readonly seconds: number }): string {
  const before = kept === 0 ? "" : `, ${count(kept)} were there`;
  const pace = added === 0 ? "" : `, ${formatRate(added / seconds, "entries")}`;
  const rate = `${formatDuration(seconds)}${pace}`;
  const end = isWhole ? "" : "\nEnded early; the same command goes on.";
  return `${info.folder}: ${count(added)} entries added${before} (${rate}); ${count(info.numEntries)} in all${end}`;
}

async function tellAdded(session: Session, index: VectorIndex, result: Added & { readonly seconds: number }) {
  const info = await index.info();
  session.result({ ...result, ...info }, addedText(info, result));
  const { neighbours } = info;
  if (neighbours !== null && result.isWhole) {
    session.say(
      `Nearest neighbours: ${neighbours.numProbes} of ${neighbours.numPartitions} partitions find ${percent(neighbours.recall)} of the ten nearest.`,
    );
  }
}

function buildCommand(): Command {
  const command = defineCommand(
    "build",
    "make an index of a table's texts; the same command goes on with a broken-off one",
  )
    .argument("<folder>", "new folder for the index")
    .requiredOption("-m, --model <folder>", "model whose vectors are taken")
    .requiredOption("-d, --data <file>", "table, or - for JSON lines on standard input")
    .option("--text <column>", "column of the text that is searched by, by name or number from 0", "text")
    .option("--id <column>", "column of the ids", "id")
    .option("--line-ids", "take the numbers of the lines for ids");
  addFieldOptions(command, buildFields);
  return runs(command, async (session, given, [folder]) => {
    const settings = buildTable.resolve(fieldValues(given, buildFields));
    const { pooling, layer, maxSeqLength, neighbours, ...rest } = settings;
    let built: VectorIndex | undefined;
    const result = await watched(session, "Indexing", async (onProgress, signal) => {
      const { index, result: done } = await buildIndex(folder!, sourceOf(given.data as string, rest), {
        ...computingOptions(session, rest),
        ...{ layer, neighbours, onProgress, signal },
        model: given.model as string,
        textColumn: columnOf(given.text as string),
        idColumn: given.lineIds === true ? null : columnOf(given.id as string),
        ...(pooling === null ? {} : { pooling }),
        ...(maxSeqLength === null ? {} : { maxSeqLength }),
      });
      built = index;
      return done;
    });
    try {
      await tellAdded(session, built!, result);
    } finally {
      await built?.dispose();
    }
  });
}

function addCommand(): Command {
  const command = defineCommand(
    "add",
    "add a table's texts to an index; the same command goes on where it was broken off",
  )
    .argument("<folder>", "folder of the index")
    .requiredOption("-d, --data <file>", "table with the columns of the first, or - for JSON lines on standard input")
    .option("--replace", "put entries in the place of those with the same ids, instead of refusing them")
    .option(...modelOption);
  addFieldOptions(command, addFields);
  return runs(command, async (session, given, [folder]) => {
    const { neighbours, ...rest } = addTable.resolve(fieldValues(given, addFields));
    await withIndex(folder!, await openingOptions(session, given, rest), async (index) => {
      const source = sourceOf(given.data as string, rest);
      const existing = given.replace === true ? "replace" : "error";
      const result = await watched(session, "Adding", (onProgress, signal) =>
        index.add(source, { existing, neighbours, onProgress, signal }),
      );
      await tellAdded(session, index, result);
    });
  });
}

function removeCommand(): Command {
  const command = defineCommand("remove", "take entries out of an index")
    .argument("<folder>", "folder of the index")
    .argument("[ids...]", "ids of the entries")
    .option("-d, --data <file>", "table with ids, or - for JSON lines on standard input")
    .option("--id <column>", "column of the ids", "id");
  addFieldOptions(command, tableFields);
  return runs(command, async (session, given, [folder, ...ids]) => {
    const all = [...ids];
    if (given.data !== undefined) {
      const reading = defineConfig({ name: "index", fields: tableFields }).resolve(fieldValues(given, tableFields));
      const source = sourceOf(given.data as string, reading);
      for await (const row of source.rows()) all.push(cellText(row, columnOf(given.id as string), source.name).trim());
    }
    if (all.length === 0) {
      const message = "must be given: ids, or a table with --data.";
      throw new ConfigError("index remove", [{ path: "ids", message, code: "CONFIG_MISSING" }]);
    }
    const removed = await removeFromIndex(folder!, all);
    const numEntries = (await indexInfo(folder!)).numEntries;
    const missing = all.length - removed;
    const rest = missing === 0 ? "" : `; ${count(missing)} ids were not there`;
    session.result({ removed, missing, numEntries }, `${count(removed)} removed, ${count(numEntries)} left${rest}`);
  });
}

/** An entry found, as people read it. */
function foundText({ id, text, score }: FoundEntry): string {
  const line = text.replaceAll(/\s+/g, " ");
  return `${score.toFixed(4)}  ${id}  ${line.length > 100 ? `${line.slice(0, 99)}…` : line}`;
}

/** Rows asked together. */
export const CHUNK = 256;

/** The text of a row's column. @throws {DataError} TEXT_EMPTY, FIELD_TAKEN */
export function askedText(row: TableRow, column: string | number, taken: readonly string[], file: string): string {
  const text = cellText(row, column, file);
  const field = taken.find((name) => Object.hasOwn(row.fields, name));
  if (text.trim() !== "" && field === undefined) return text;
  const rule = field === undefined ? `the text in column ${column} is empty.` : `has a field ${field} of its own.`;
  const fix = field === undefined ? "Fill it in, or remove the row." : "Give --as another name.";
  throw new DataError(`line ${row.line}: ${rule} ${fix}`, {
    code: field === undefined ? "TEXT_EMPTY" : "FIELD_TAKEN",
    path: file,
    details: { line: row.line },
  });
}

function searchCommand(): Command {
  const command = defineCommand("search", "the entries of an index that are nearest to texts")
    .argument("<folder>", "folder of the index")
    .argument("[texts...]", "texts to look for")
    .option("-d, --data <file>", "table of texts, or - for JSON lines on standard input; written as JSON lines")
    .option("--text <column>", "column of the text, by name or number from 0", "text")
    .option("--as <field>", "field for what is found", "found")
    .option("-k, --count <number>", "entries wanted for each text", Number, 10)
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

function infoText(info: IndexInfo): string {
  const { model, neighbours, threshold, pending } = info;
  return table([
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
    ["threshold", threshold === null ? "none" : `${threshold.value} (${threshold.aim})`],
    ...(pending === null ? [] : [["broken off", `adding ${pending}; the same command goes on`] as const]),
  ]);
}

function infoCommand(): Command {
  const command = defineCommand("info", "what an index holds").argument("<folder>", "folder of the index");
  return runs(command, async (session, _given, [folder]) => {
    const info = await indexInfo(folder!);
    session.result(info, infoText(info));
  });
}

function evaluationText({ ranking, retrieval, latency, threshold, ...rest }: RetrievalEvaluation): string {
  const figures = ({ mrr, map, at }: RetrievalEvaluation["ranking"]): string =>
    [
      `MRR ${mrr.toFixed(4)}`,
      `MAP ${map.toFixed(4)}`,
      ...at.map(({ k, recall }) => `recall@${k} ${recall.toFixed(4)}`),
      `nDCG@10 ${at.at(-1)!.ndcg.toFixed(4)}`,
    ].join(", ");
  const isSame = JSON.stringify(ranking) === JSON.stringify(retrieval);
  return table([
    ["questions", `${count(rest.numQuestions)}, ${rest.numCandidates} candidates each`],
    ["found", figures(ranking)],
    ...(isSame ? [] : [["by vectors alone", figures(retrieval)] as const]),
    ["time a question", `median ${latency.median.toFixed(1)} ms, 95 % below ${latency.p95.toFixed(1)} ms`],
    [
      "threshold",
      `${threshold.threshold.toPrecision(4)}: precision ${threshold.precision.toFixed(4)}, recall ${threshold.recall.toFixed(4)}, F1 ${threshold.f1.toFixed(4)}, ${percent(threshold.answered)} answered`,
    ],
  ]);
}

function parsePrecision(text: string): number {
  const value = Number(text);
  if (value > 0 && value <= 1) return value;
  throw new InvalidArgumentError("must be a number above 0, at most 1.");
}

function evaluateCommand(): Command {
  const command = defineCommand("evaluate", "figures of an index on questions whose answers are known, and a threshold")
    .argument("<folder>", "folder of the index")
    .requiredOption("-d, --data <file>", "table of questions")
    .option("--question <column>", "column of the question", "question")
    .option("--relevant <column>", "column of the id, or list of ids, of what answers; empty where nothing does", "id")
    .option("--reranker <folder>", "a cross-encoder for the second stage: a classifier of pairs")
    .option("--positive <label>", "class of the re-ranker that says that a text answers; its last one")
    .option("--candidates <number>", "entries that the index gives", Number, 100)
    .option("--precision <share>", "choose the threshold for this precision instead of the best F1", parsePrecision)
    .option("--keep-threshold", "keep the threshold with the index: firth ask takes it")
    .option("--exact", "compare all entries, also where there is an index of nearest neighbours")
    .option(...modelOption);
  addFieldOptions(command, askFields);
  return runs(command, async (session, given, [folder]) => {
    const settings = askTable.resolve(fieldValues(given, askFields));
    const source = sourceOf(given.data as string, settings);
    const questions = await readQuestions(source, {
      questionColumn: columnOf(given.question as string),
      relevantColumn: columnOf(given.relevant as string),
    });
    const precision = given.precision as number | undefined;
    await withIndex(folder!, await openingOptions(session, given, settings), async (index) => {
      const bot = await openFaqBot(index, {
        ...computingOptions(session, settings),
        ...(given.reranker === undefined ? {} : { reranker: await loadClassifier(given.reranker as string) }),
        positiveLabel: given.positive as string | undefined,
        numCandidates: given.candidates as number,
        isExact: given.exact === true,
        threshold: null,
      });
      try {
        const aim = precision === undefined ? "f1" : { precision };
        const evaluation = await session.watch({ label: "Asking", unit: "questions" }, (display) =>
          evaluateRetrieval(bot, questions, { aim, onProgress: (done) => display.update(done, questions.length) }),
        );
        const { threshold, isReached } = evaluation.threshold;
        if (!isReached) session.say(`No threshold reaches a precision of ${precision}.`);
        if (given.keepThreshold === true && Number.isFinite(threshold)) {
          const wanted = precision === undefined ? "best F1" : `precision ${precision}`;
          const aimText = `${wanted} on ${source.name}`;
          await index.setThreshold({ value: threshold, reranker: bot.reranker, aim: aimText });
        }
        session.result({ index: folder, data: source.name, ...evaluation }, evaluationText(evaluation));
      } finally {
        await bot.dispose();
      }
    });
  });
}

/** `firth index …`. */
export function indexCommands(index: Command): void {
  index.description("an index of texts by their vectors: make it, add, remove, search, evaluate");
  for (const make of [buildCommand, addCommand, removeCommand, searchCommand, infoCommand, evaluateCommand]) {
    index.addCommand(make());
  }
}
