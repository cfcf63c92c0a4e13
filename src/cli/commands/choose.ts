/** @file `firth evaluate` with a model that chooses between options. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { type ChooseOptions, loadChooser, openChooser } from "../../api/chooser.ts";
import type { TableSource } from "../../data/table.ts";
import { familyOf } from "../../models/families.ts";
import { count, table } from "../number-text.ts";
import type { Session } from "../session.ts";

/** Whether a folder holds a model that chooses between options. */
export async function isChooserModel(folder: string): Promise<boolean> {
  if (!existsSync(join(folder, "config.json"))) return false;
  return (await (await familyOf(folder)).purposeOf(folder)) === "multipleChoice";
}

/** Figures on questions with their right options. */
export async function evaluateChoices(
  session: Session,
  folder: string,
  source: TableSource,
  options: ChooseOptions,
): Promise<void> {
  const chooser = await openChooser(await loadChooser(folder), options);
  try {
    const figures = await chooser.evaluate(source);
    const rows = Object.entries(figures).map(([name, value]): [string, string] => [
      name,
      name === "numQuestions" ? count(value) : value.toFixed(4),
    ]);
    session.result({ model: folder, data: source.name, ...figures }, table(rows));
  } finally {
    await chooser.dispose();
  }
}
