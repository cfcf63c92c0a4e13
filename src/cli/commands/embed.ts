/** @file `firth embed`: texts as vectors. */
import type { Command } from "commander";
import { embedRows } from "../../api/embed.ts";
import { loadPretrained } from "../../api/load.ts";
import { DataError } from "../../base/errors.ts";
import { booleanField, choiceField, defineFields, integerField, nullableField } from "../../formats/config-fields.ts";
import { defineConfig } from "../../formats/config-table.ts";
import { poolings } from "../../tasks/pooling.ts";
import { type Given, runs } from "../define-command.ts";
import { addFieldOptions, fieldValues } from "../field-option.ts";
import { givenEngine, ownLengthField, useFields } from "../settings/engine.ts";
import { openTable, tableFields } from "../settings/text.ts";
import { givenColumns } from "./given-column.ts";
import { standardTable } from "./standard-input.ts";

const fields = defineFields({
  pooling: nullableField(
    choiceField(poolings, { doc: "How tokens' vectors become one; the model's own way, or mean." }),
  ),
  normalize: booleanField({ default: true, doc: "Scale vectors to length 1." }),
  layer: integerField({
    default: -1,
    doc: "Whose output is taken: 0 the embeddings', 1 the first layer's, -1 the last's.",
  }),
  batchSize: integerField({ default: 32, min: 1, doc: "Texts of 128 tokens computed together, more if shorter." }),
  maxSeqLength: ownLengthField,
  digits: integerField({ default: 7, min: 1, max: 9, doc: "Significant digits of the numbers written." }),
  ...tableFields,
  ...useFields,
});
const embedTable = defineConfig({ name: "embed", fields });

const defaultField = "embedding";

/** `firth embed MODEL --data FILE|-`. */
export function embedCommand(command: Command): Command {
  command
    .description("vectors of texts, as JSON lines with the fields of the input and one more")
    .argument("<model>", "folder of a pre-trained or fine-tuned model")
    .requiredOption("-d, --data <file>", "table, or - for JSON lines on standard input")
    .option("--text <columns...>", "column of the text by name or number from 0, or two that are read together")
    .option("--as <field>", "field for the vector", defaultField);
  addFieldOptions(command, fields);
  return runs(command, async (session, given: Given, [model]) => {
    const settings = embedTable.resolve(fieldValues(given, fields));
    const {
      engine,
      dtype,
      threads,
      binding,
      onednnLibrary,
      plugin,
      digits,
      maxSeqLength,
      pooling,
      normalize,
      layer,
      batchSize,
      quantize,
      ...reading
    } = settings;
    const textColumns = givenColumns(given.text as string[] | undefined) ?? "text";
    const { data, as } = given as { readonly data: string; readonly as: string };
    const source = data === "-" ? standardTable(reading) : openTable(data, reading);
    const options = {
      ...(pooling === null ? {} : { pooling }),
      normalize,
      layer,
      batchSize,
      quantize,
      textColumns,
      onNotice: (message: string) => session.say(message),
      ...givenEngine({ engine, dtype, threads, binding, onednnLibrary, plugin }),
      ...(maxSeqLength === null ? {} : { maxSeqLength }),
    };
    for await (const { fields: own, line, vector } of embedRows(await loadPretrained(model!), source, options)) {
      if (Object.hasOwn(own, as)) {
        throw new DataError(`line ${line}: has a field ${as} of its own. Give --as another name.`, {
          code: "FIELD_TAKEN",
          path: source.name,
        });
      }
      const numbers = Array.from(vector, (x) => Number(x.toPrecision(digits)));
      await session.line(JSON.stringify({ ...own, [as]: numbers }));
    }
  });
}
