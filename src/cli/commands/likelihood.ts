/** @file `firth perplexity` and `firth prompt`: what a network finds likely, without training it. */
import { readFile } from "node:fs/promises";
import type { Command } from "commander";
import { perplexity, prompt } from "../../api/likelihood.ts";
import { booleanField, defineFields, integerField, nullableField } from "../../formats/config-fields.ts";
import { defineConfig } from "../../formats/config-table.ts";
import { readFailure } from "../../formats/file-failure.ts";
import { parsePromptTemplate } from "../../generation/prompt-template.ts";
import { runs } from "../define-command.ts";
import { addFieldOptions, fieldValues } from "../field-option.ts";
import { loadForUse } from "../model-use.ts";
import { percent, table } from "../number-text.ts";
import { givenEngine, useFields } from "../settings/engine.ts";
import { openTable, tableFields } from "../settings/text.ts";

const scoringFields = defineFields({
  batchSize: integerField({ default: 8, min: 1, doc: "Texts computed together." }),
  startToken: booleanField({ default: false, doc: "Texts begin with the token that begins texts." }),
  ...useFields,
});

const perplexityFields = defineFields({
  maxLength: nullableField(integerField({ min: 2, doc: "Tokens of a window; the model's room if not given." })),
  stride: nullableField(integerField({ min: 1, doc: "Tokens between windows; half a window if not given." })),
  ...scoringFields,
});
const perplexityTable = defineConfig({ name: "perplexity", fields: perplexityFields });

const promptFields = defineFields({
  shots: integerField({ default: 0, min: 0, doc: "Examples shown before each question." }),
  seed: integerField({ default: 0, min: 0, doc: "Of the draw of examples and rows." }),
  limit: nullableField(integerField({ min: 1, doc: "Most rows that are asked about; all if not given." })),
  ...tableFields,
  ...scoringFields,
});
const promptTable = defineConfig({ name: "prompt", fields: promptFields });

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    throw readFailure(error, path);
  }
}

/** `firth perplexity MODEL FILE`. */
export function perplexityCommand(command: Command): Command {
  command
    .description("how well a left-to-right model foretells a text, in overlapping windows")
    .argument("<model>", "folder of a pre-trained model")
    .argument("<file>", "text in UTF-8");
  addFieldOptions(command, perplexityFields);
  return runs(command, async (session, given, [model, file]) => {
    const settings = perplexityTable.resolve(fieldValues(given, perplexityFields));
    const { maxLength, stride, batchSize, startToken, quantize, ...engine } = settings;
    const result = await perplexity(await loadForUse("perplexity", model!), await readText(file!), {
      ...{ batchSize, startToken, quantize, ...givenEngine(engine) },
      ...(maxLength === null ? {} : { maxLength }),
      ...(stride === null ? {} : { stride }),
    });
    const rows = [
      ["perplexity", result.perplexity.toFixed(3)],
      ["nats per token", result.nll.toFixed(4)],
      ["bits per byte", result.bitsPerByte.toFixed(4)],
      ["tokens", result.numTokens],
    ] as const;
    session.result(result, table(rows));
  });
}

/** `firth prompt MODEL TEMPLATE --data FILE`. */
export function promptCommand(command: Command): Command {
  command
    .description("asks a model about the rows of a table, with or without examples, and counts the right answers")
    .argument("<model>", "folder of a pre-trained model")
    .argument("<template>", "YAML: example with {column} and {answer}, answer, options; instruction, separator")
    .requiredOption("-d, --data <file>", "table of questions with their answers")
    .option("-e, --examples <file>", "table that examples are drawn from");
  addFieldOptions(command, promptFields);
  return runs(command, async (session, given, [model, path]) => {
    const settings = promptTable.resolve(fieldValues(given, promptFields));
    const { shots, seed, limit, batchSize, startToken, quantize, ...rest } = settings;
    const { engine, dtype, threads, binding, onednnLibrary, plugin, ...reading } = rest;
    const { data, examples } = given as { readonly data: string; readonly examples?: string };
    const template = parsePromptTemplate(await readText(path!), path!);
    const result = await prompt(await loadForUse("prompt", model!), template, openTable(data, reading), {
      ...{ shots, seed, batchSize, startToken, quantize },
      ...givenEngine({ engine, dtype, threads, binding, onednnLibrary, plugin }),
      ...(limit === null ? {} : { limit }),
      ...(examples === undefined ? {} : { examples: openTable(examples, reading) }),
    });
    const rows = [
      ["accuracy", percent(result.accuracy)],
      ["rows", result.numRows],
      ["examples shown", shots],
    ] as const;
    session.result(result, table(rows));
  });
}
