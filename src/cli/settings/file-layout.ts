/** @file Settings of tables that are none of other files': what is given in vain is refused, not passed over. */
import type { ConfigIssue } from "../../base/errors.ts";
import { tableFields } from "./text.ts";

/** Files that are no tables. */
export type OtherLayout = "tagged" | "questions";

type Reading = Readonly<Partial<Record<keyof typeof tableFields | "columns", unknown>>>;

const cells = ["header", "delimiter", "extraColumns", "columns"] as const;
const refused = { tagged: cells, questions: [...cells, "encoding", "invalid"] } as const;
const hints: Readonly<Record<OtherLayout, string>> = {
  tagged:
    "files of tagged sentences have their own layout: cells between tabs or spaces, CoNLL-U, or JSON Lines (task.format, task.wordColumn, task.tagColumn of fine-tuning)",
  questions: "files of questions are JSON or JSON Lines in UTF-8",
};

/**
 * Settings of tables that say something, for a file that is none.
 * @param path how messages name a setting
 */
export function layoutIssues(
  reading: Reading,
  layout: OtherLayout,
  path: (name: string) => string = (name) => name,
): ConfigIssue[] {
  const usual = (name: (typeof refused)[OtherLayout][number]): unknown =>
    name === "columns" ? null : (tableFields[name].default ?? null);
  return refused[layout].flatMap((name) => {
    const value = reading[name] ?? null;
    if (value === null || value === usual(name)) return [];
    const message = `is for tables; got ${JSON.stringify(value)}, and ${hints[layout]}. Leave it out.`;
    return [{ path: path(name), message, code: "CONFIG_UNSUPPORTED" }];
  });
}
