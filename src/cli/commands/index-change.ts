/** @file `firth index build|add|remove`: what changes an index of texts. */
import type { Command } from "commander";
import {
  type Added,
  buildIndex,
  type IndexInfo,
  indexInfo,
  removeFromIndex,
  type VectorIndex,
  withIndex,
} from "../../api/vector-index.ts";
import { ConfigError } from "../../base/errors.ts";
import { cellText } from "../../data/table.ts";
import { choiceField, defineFields, integerField, nullableField } from "../../formats/config-fields.ts";
import { defineConfig } from "../../formats/config-table.ts";
import { poolings } from "../../tasks/pooling.ts";
import { defineCommand, runs } from "../define-command.ts";
import { addFieldOptions, fieldValues } from "../field-option.ts";
import { count, percent } from "../number-text.ts";
import { formatDuration, formatRate } from "../progress/index.ts";
import type { Session } from "../session.ts";
import { tableFields } from "../settings/text.ts";
import { columnOf, computing, computingOptions, modelOption, openingOptions, sourceOf } from "./index-option.ts";

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
const buildTable = defineConfig({ name: "index", fields: buildFields });
const addTable = defineConfig({ name: "index", fields: addFields });

/** Shows how adding goes on; says what a failure has left to go on with. */
async function watched(
  session: Session,
  { label, folder }: { readonly label: string; readonly folder: string },
  work: (onProgress: (progress: { readonly done: number }) => void, signal: AbortSignal) => Promise<Added>,
): Promise<Added & { readonly seconds: number }> {
  const began = performance.now();
  let last = 0;
  try {
    const result = await session.stoppable((signal) =>
      session.watch({ label, unit: "entries" }, (display) =>
        work(({ done }) => {
          last = done;
          display.update(done);
        }, signal),
      ),
    );
    return { ...result, seconds: (performance.now() - began) / 1000 };
  } catch (error) {
    if (last > 0) session.say(`${folder}: the first ${count(last)} entries are in it; the same command goes on.`);
    throw error;
  }
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

export function buildCommand(): Command {
  const command = defineCommand(
    "build",
    "make an index of a table's texts; the same command goes on with a broken-off one",
  )
    .argument("<folder>", "new folder for the index")
    .requiredOption("-m, --model <folder>", "model whose vectors are taken")
    .requiredOption("-d, --data <file>", "table, or - for JSON lines on standard input")
    .option(
      "--text <column>",
      "column of the text that is searched by, by name or number from 0; text, what the model learnt to find, or question",
    )
    .option("--id <column>", "column of the ids; id, or the numbers of the lines where there is none")
    .option("--line-ids", "take the numbers of the lines for ids");
  addFieldOptions(command, buildFields);
  return runs(command, async (session, given, [folder]) => {
    const settings = buildTable.resolve(fieldValues(given, buildFields));
    const { pooling, layer, maxSeqLength, neighbours, ...rest } = settings;
    let built: VectorIndex | undefined;
    const result = await watched(session, { label: "Indexing", folder: folder! }, async (onProgress, signal) => {
      const { index, result: done } = await buildIndex(folder!, sourceOf(given.data as string, rest), {
        ...computingOptions(session, rest),
        ...{ layer, neighbours, onProgress, signal },
        model: given.model as string,
        textColumn: given.text === undefined ? undefined : columnOf(given.text as string),
        idColumn: given.lineIds === true ? null : given.id === undefined ? undefined : columnOf(given.id as string),
        ...(pooling === null ? {} : { pooling }),
        ...(maxSeqLength === null ? {} : { maxSeqLength }),
      });
      built = index;
      return done;
    });
    try {
      const { textColumn, idColumn } = await built!.info();
      const ids = idColumn === null ? "the numbers of the lines" : `column ${idColumn}`;
      session.say(`Searched by column ${textColumn}; ids: ${ids}.`);
      await tellAdded(session, built!, result);
    } finally {
      await built?.dispose();
    }
  });
}

export function addCommand(): Command {
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
      const result = await watched(session, { label: "Adding", folder: folder! }, (onProgress, signal) =>
        index.add(source, { existing, neighbours, onProgress, signal }),
      );
      await tellAdded(session, index, result);
    });
  });
}

export function removeCommand(): Command {
  const command = defineCommand("remove", "take entries out of an index")
    .argument("<folder>", "folder of the index")
    .argument("[ids...]", "ids of the entries")
    .option("-d, --data <file>", "table with ids, or - for JSON lines on standard input")
    .option("--id <column>", "column of the ids", "id");
  addFieldOptions(command, tableFields);
  return runs(command, async (session, given, [folder, ...ids]) => {
    const all = new Set(ids);
    if (given.data !== undefined) {
      const reading = defineConfig({ name: "index", fields: tableFields }).resolve(fieldValues(given, tableFields));
      const source = sourceOf(given.data as string, reading);
      for await (const row of source.rows()) all.add(cellText(row, columnOf(given.id as string), source.name).trim());
    }
    if (all.size === 0) {
      const message = "must be given: ids, or a table with --data.";
      throw new ConfigError("index remove", [{ path: "ids", message, code: "CONFIG_MISSING" }]);
    }
    const removed = await removeFromIndex(folder!, [...all]);
    const numEntries = (await indexInfo(folder!)).numEntries;
    const missing = all.size - removed;
    const rest = missing === 0 ? "" : `; ${count(missing)} ids were not there`;
    session.result({ removed, missing, numEntries }, `${count(removed)} removed, ${count(numEntries)} left${rest}`);
  });
}
