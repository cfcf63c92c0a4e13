/** @file Settings of tagging words: the same for recipes and for the command line. */
import { taggedLines } from "../../data/tagged-lines.ts";
import { conllColumns, conllU, type TaggedSource } from "../../data/tagged-sentence.ts";
import {
  booleanField,
  type ConfigOf,
  choiceField,
  defineFields,
  integerField,
  listField,
  nullableField,
  textField,
} from "../../formats/config-fields.ts";
import { defineConfig } from "../../formats/config-table.ts";
import { formatJson } from "../../formats/json-file.ts";
import type { JsonObject } from "../../formats/json-text.ts";
import type { TableSettings } from "./text.ts";

/** How files of tagged sentences are read. */
export const taggedFileFields = defineFields({
  format: choiceField(["auto", "conllu", "columns", "jsonl"], {
    default: "auto",
    doc: "CoNLL-U, a word a line with columns, or JSON Lines; auto goes by the name (.conllu, .jsonl).",
  }),
  conlluTag: choiceField(["upos", "xpos"], { default: "upos", doc: "Which tag of CoNLL-U is learned." }),
  wordColumn: integerField({ default: 0, min: 0, doc: "Column of the word, from 0." }),
  tagColumn: nullableField(integerField({ min: 0, doc: "Column of the tag, from 0; null: the last." })),
  misfit: choiceField(["error", "widen"], {
    default: "error",
    doc: "Entities of JSON Lines that begin or end inside a word: refused, or widened to whole words.",
  }),
  scheme: choiceField(["IOB1", "IOB2", "BIOES", "keep"], {
    default: "IOB2",
    doc: "What tags of entities are converted to, faults mended; tags that mark no entities are kept.",
  }),
});

export type TaggedFileSettings = ConfigOf<typeof taggedFileFields>;

export const taggingTaskTable = defineConfig({
  name: "task",
  fields: defineFields({
    name: choiceField(["tokenClassification"], { default: "tokenClassification", doc: "What is learned." }),
    ...taggedFileFields,
    labels: nullableField(listField(textField({ doc: "" }), { doc: "Tags; null: those of the training data." })),
    maxSeqLength: integerField({ default: 128, min: 5, doc: "Longest window in tokens, special tokens included." }),
    crf: booleanField({ default: false, doc: "Score neighbouring tags too, and predict the best path." }),
    constrained: booleanField({ default: false, doc: "Predict only tags that are well formed in the scheme." }),
    overlap: nullableField(
      integerField({
        min: 0,
        doc: "Tokens that windows of a long sentence have in common; null: 32, or a quarter of shorter windows.",
      }),
    ),
    packed: booleanField({ default: true, doc: "Put several short sentences into one row." }),
  }),
});

export type TaggingTaskSettings = ConfigOf<typeof taggingTaskTable.fields>;

/** A file of tagged sentences. */
export function openTagged(
  file: string,
  { format, conlluTag, wordColumn, tagColumn, misfit }: TaggedFileSettings,
  { encoding, invalid }: Pick<TableSettings, "encoding" | "invalid">,
): TaggedSource {
  const isLines = format === "jsonl" || (format === "auto" && /\.(jsonl|ndjson)(\.gz)?$/i.test(file));
  if (isLines) return taggedLines(file, { encoding, invalid, misfit });
  const isConllU = format === "conllu" || (format === "auto" && /\.conllu(\.gz)?$/i.test(file));
  if (isConllU) return conllU(file, { encoding, invalid, tag: conlluTag });
  return conllColumns(file, { encoding, invalid, wordColumn, tagColumn: tagColumn ?? undefined });
}

/** How a tagger's files are read. */
export function taggedReading(task: TaggedFileSettings): TaggedFileSettings & JsonObject {
  const { format, conlluTag, wordColumn, tagColumn, misfit, scheme } = task;
  return { format, conlluTag, wordColumn, tagColumn, misfit, scheme };
}

const savedTable = defineConfig({ name: "task.json", fields: taggedFileFields });

/** How a tagger's files are read, as it was saved. */
export function readTaggedReading(saved: JsonObject): TaggedFileSettings {
  return savedTable.resolve(saved);
}

/** The content of the file beside a tagger: how it reads tagged sentences. */
export function taggingTaskFile(task: TaggingTaskSettings): readonly [name: string, text: string] {
  return ["task.json", formatJson({ task: task.name, ...taggedReading(task) })];
}
