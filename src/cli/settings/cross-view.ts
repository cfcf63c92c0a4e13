/** @file The part of a recipe that names texts without labels, which the task is to learn from too. */
import type { CrossViewOptions } from "../../api/cross-view-option.ts";
import type { ColumnRef } from "../../data/table.ts";
import { type ConfigOf, choiceField, defineFields, nullableField, textField } from "../../formats/config-fields.ts";
import { defineConfig } from "../../formats/config-table.ts";
import { crossViewFields } from "../../transfer/cross-view/option.ts";
import {
  lineTexts,
  type PlainTextSource,
  sentenceTexts,
  tableTexts,
} from "../../transfer/cross-view/unlabelled-text.ts";
import type { Problems } from "../recipe/problems.ts";
import { openTagged, type TaggedFileSettings } from "./tagging-task.ts";
import { type ColumnList, textColumnsField } from "./task.ts";
import { openTable, type TableSettings } from "./text.ts";

export const crossViewTable = defineConfig({
  name: "crossView",
  fields: defineFields({
    unlabelled: textField({ doc: "File of texts without labels; those that there are in it are not read." }),
    format: choiceField(["auto", "lines", "table", "sentences"], {
      default: "auto",
      doc: "A text a line (.txt), a table (.tsv, .csv, .jsonl), or sentences of words with tags (.conllu, .conll); auto: by its name.",
    }),
    textColumns: nullableField(
      textColumnsField("Columns of a table that are read; null: the task's, or text where it has none."),
    ),
    ...crossViewFields,
  }),
});

export type CrossViewRecipe = ConfigOf<typeof crossViewTable.fields>;

/** What of a task says how unlabelled texts like its own are read. */
export interface LikeTask {
  readonly textColumns?: ColumnList | readonly ColumnRef[] | undefined;
  /** Of a tagger: how its files are read. */
  readonly tagged?: TaggedFileSettings | undefined;
  /** Of its data. */
  readonly data: TableSettings & { readonly columns?: readonly string[] | null };
}

const formats: readonly (readonly [RegExp, "lines" | "table" | "sentences"])[] = [
  [/\.(conllu|conll|iob2?|bio)(\.gz)?$/i, "sentences"],
  [/\.(tsv|csv|jsonl|ndjson)(\.gz)?$/i, "table"],
];

const usualReading: TaggedFileSettings = {
  ...{ format: "auto", conlluTag: "upos", wordColumn: 0, tagColumn: null, misfit: "error", scheme: "keep" },
};

function openSource({ unlabelled, format, textColumns }: CrossViewRecipe, like: LikeTask): PlainTextSource {
  const named = formats.find(([name]) => name.test(unlabelled))?.[1] ?? "lines";
  const chosen = format === "auto" ? named : format;
  const { data, tagged = usualReading } = like;
  if (chosen === "lines") return lineTexts(unlabelled, data);
  if (chosen === "sentences") return sentenceTexts(openTagged(unlabelled, tagged, data));
  return tableTexts(openTable(unlabelled, data), textColumns ?? like.textColumns ?? ["text"]);
}

/** What fine-tuning is told; nothing where the recipe names no texts. */
export function openCrossViews(
  settings: CrossViewRecipe | null,
  like: LikeTask,
): { readonly crossView?: CrossViewOptions } {
  if (settings === null) return {};
  const { unlabelled: _file, format: _format, textColumns: _columns, ...rest } = settings;
  return { crossView: { ...rest, unlabelled: openSource(settings, like) } };
}

/**
 * Checks the section; problems are kept.
 * @param isThere whether the task can be learnt so
 */
export function checkCrossView(problems: Problems, value: unknown, isThere: boolean): CrossViewRecipe | null {
  if (value === undefined || value === null) return null;
  if (!isThere) {
    const message = "is for classes and numbers of texts, and for tags of words. Leave it out.";
    problems.add("crossView", message, "STRATEGY_UNSUPPORTED");
  }
  return problems.resolve("crossView", crossViewTable, value) ?? null;
}
