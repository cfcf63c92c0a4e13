/** @file `firth evaluate` with a model that writes a text for another. */
import type { Command } from "commander";
import { evaluateWriter, type WrittenPair } from "../../api/evaluate-writing.ts";
import { type GenerationInput, generationSettings } from "../../api/generate.ts";
import { loadPretrained, maxLengthIn } from "../../api/load.ts";
import type { PredictOptions } from "../../api/predict.ts";
import { savedTask } from "../../api/saved-task.ts";
import { ConfigError } from "../../base/errors.ts";
import { parallelText } from "../../data/parallel-text.ts";
import type { ColumnRef } from "../../data/table.ts";
import { writeFileAtomic } from "../../formats/atomic.ts";
import { defineFields, integerField, nullableField } from "../../formats/config-fields.ts";
import { defineConfig } from "../../formats/config-table.ts";
import { generationFields } from "../../generation/settings.ts";
import { sequenceToSequence } from "../../tasks/index.ts";
import type { Given } from "../define-command.ts";
import { addFieldOptions, fieldValues } from "../field-option.ts";
import { count, table } from "../number-text.ts";
import type { Session } from "../session.ts";
import { columnField, openTable, type TableSettings } from "../settings/text.ts";
import { givenColumn, givenColumns } from "./given-column.ts";

const column = (name: string, doc: string) => ({ ...columnField(doc), needed: false as const, default: name });
const savedTable = defineConfig({
  name: "task.json",
  fields: defineFields({
    sourceColumn: column("source", "Column of the text that is read."),
    targetColumn: column("target", "Column of the text that is written."),
    maxSourceLength: integerField({ default: 128, min: 3, doc: "Longest source in tokens." }),
    maxTargetLength: integerField({ default: 64, min: 3, doc: "Longest target in tokens." }),
  }),
});

/** How a model that writes is evaluated. */
const writingFields = defineFields({
  limit: nullableField(
    integerField({ min: 0, doc: "Pairs that a model writes for; 0: its loss alone; all if not given." }),
  ),
  ...generationFields,
});

/** Adds the options that are for models that write. */
export function addWritingOptions(command: Command): void {
  command
    .option("--target <column>", "for a model that writes: column of the text to be written; as in fine-tuning")
    .option("--target-file <file>", "for a model that writes: the targets, one a line, of the lines of --data")
    .option("--written <file>", "for a model that writes: put what it wrote there, as JSON lines");
  addFieldOptions(command, writingFields);
}

/** Options of writing do nothing with other models. @throws {ConfigError} CONFIG_UNSUPPORTED */
export function refuseWriting(given: Given): void {
  const issues = ["target", "targetFile", "written", ...Object.keys(writingFields)]
    .filter((name) => given[name] !== undefined)
    .map((path) => ({ path, message: "is for models that write. Leave it out.", code: "CONFIG_UNSUPPORTED" }));
  if (issues.length > 0) throw new ConfigError("evaluate", issues);
}

/** Where sources and targets are. */
export interface PairFiles {
  /** Table of both, or the sources, one a line. */
  readonly file: string;
  /** The targets, one a line. */
  readonly targetFile: string | undefined;
  readonly sourceColumn: ColumnRef | undefined;
  readonly targetColumn: ColumnRef | undefined;
  readonly reading: TableSettings & { readonly columns?: readonly string[] | null };
}

/** @throws {ConfigError} CONFIG_RANGE for two columns in --text */
export function pairFiles(given: Given, reading: PairFiles["reading"]): PairFiles {
  const { data, target, targetFile } = given as { readonly [name: string]: string | undefined };
  const text = givenColumns(given.text as string[] | undefined);
  if (text !== undefined && text.length > 1) {
    const message = `must be one column, of what is read; got ${text.length}. Give the other as --target.`;
    throw new ConfigError("--text", [{ path: "textColumns", message, code: "CONFIG_RANGE" }]);
  }
  return {
    ...{ file: data!, targetFile, reading },
    sourceColumn: text?.[0],
    targetColumn: target === undefined ? undefined : givenColumn(target),
  };
}

export interface WriterOptions extends Omit<PredictOptions, "maxSeqLength" | "onNotice"> {
  /** Longest source in tokens; as in fine-tuning where left out. */
  readonly maxSourceLength?: number | undefined;
  /** Over those of the model's folder. */
  readonly generation: GenerationInput;
  /** Pairs that are written for; all when left out. */
  readonly count: number | undefined;
  /** File for what was written, as JSON lines. */
  readonly written: string | undefined;
}

/** @param options those that all models have; texts are written in batches of 8 unless told otherwise */
export function writerOptions(
  given: Given,
  { maxSeqLength, ...options }: Omit<PredictOptions, "onNotice">,
): WriterOptions {
  const { limit, ...generation } = fieldValues(given, writingFields) as { readonly limit?: number } & GenerationInput;
  return {
    ...options,
    ...{ maxSourceLength: maxSeqLength, generation, count: limit },
    batchSize: given.batchSize as number | undefined,
    written: given.written as string | undefined,
  };
}

/** Loss, BLEU, chrF and ROUGE on a table of sources and targets, or on two files of lines. @returns what was written */
export async function evaluateWrites(
  session: Session,
  folder: string,
  { file, targetFile, sourceColumn, targetColumn, reading }: PairFiles,
  { maxSourceLength, generation, batchSize, quantize, count: most, written: writtenFile, ...engine }: WriterOptions,
): Promise<readonly WrittenPair[] | undefined> {
  const { task: _task, ...stated } = await savedTask(folder);
  const saved = savedTable.resolve(stated);
  const model = await loadPretrained(folder);
  const room = Math.min(model.module.encoder.maxPositionEmbeddings, await maxLengthIn(folder));
  const source = maxSourceLength ?? Math.min(saved.maxSourceLength, room);
  // An encoder alone has both in one row.
  const left = model.module.decoder?.maxPositionEmbeddings ?? room - source + 1;
  const maxTargetLength = Math.min(saved.maxTargetLength, left);
  // The columns of parallel text have names of their own.
  const columns =
    targetFile === undefined
      ? { sourceColumn: sourceColumn ?? saved.sourceColumn, targetColumn: targetColumn ?? saved.targetColumn }
      : {};
  const writing = sequenceToSequence({
    ...{ tokenizer: model.tokenizer, maxSourceLength: source, maxTargetLength },
    ...columns,
  });
  const pairs = targetFile === undefined ? openTable(file, reading) : parallelText(file, targetFile, reading);
  const { written, ...figures } = await evaluateWriter(model, writing, pairs, {
    maxNewTokens: maxTargetLength,
    ...(await generationSettings(folder, generation)),
    ...{ ...engine, quantize, count: most },
    ...(batchSize === undefined ? {} : { batchSize, lossBatchSize: batchSize }),
  });
  const texts = written?.pairs;
  if (texts !== undefined && writtenFile !== undefined) {
    await writeFileAtomic(writtenFile, texts.map((pair) => `${JSON.stringify(pair)}\n`).join(""));
  }
  const scores = written && { bleu: written.bleu, chrf: written.chrf, rouge: written.rouge };
  const shares =
    scores === undefined ? [] : Object.entries(scores.rouge).map(([kind, { fmeasure }]) => [kind, fmeasure] as const);
  const rows: (readonly [string, string | number])[] = [
    ["loss (nats per token)", figures.loss.toFixed(4)],
    ["perplexity", figures.perplexity.toFixed(3)],
    ["target accuracy", figures.targetAccuracy.toFixed(4)],
    ...(scores === undefined
      ? []
      : ([
          ["BLEU", scores.bleu.score.toFixed(2)],
          ["chrF", scores.chrf.score.toFixed(2)],
        ] as const)),
    ...shares.map(([kind, share]) => [`${kind} (F)`, share.toFixed(4)] as const),
    ["pairs", count(figures.numPairs)],
    ...(texts === undefined ? [] : [["texts written", count(texts.length)] as const]),
  ];
  const numWritten = texts?.length ?? 0;
  session.result({ model: folder, data: file, ...figures, ...scores, numWritten }, table(rows));
  if (figures.numTruncated > 0) session.say(`${count(figures.numTruncated)} pairs were cut to the longest lengths.`);
  return texts;
}
