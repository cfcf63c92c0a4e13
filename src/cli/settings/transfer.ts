/** @file The section of a recipe that says how a model reaches its task. */
import type { ConfigIssue } from "../../base/errors.ts";
import { showValue } from "../../formats/config-fields.ts";
import { type AdapterOptions, type ResolvedAdapter, resolveAdapter } from "../../models/adapter/option.ts";
import { type ResolvedStrategy, resolveStrategy } from "../../transfer/resolve-strategy.ts";
import type { Problems } from "../recipe/problems.ts";

/** A strategy, an adapter, and what decides which weights are best. */
export type TransferSettings = ResolvedStrategy & {
  readonly adapter: ResolvedAdapter | null;
  readonly selectionFigure: string;
};

/** An adapter's settings; problems are kept. */
function checkAdapter(problems: Problems, value: unknown): ResolvedAdapter | null {
  if (value === undefined || value === null) return null;
  const section = problems.section("transfer.adapter", value);
  return (
    (section && problems.collect("transfer.adapter", () => resolveAdapter(section as unknown as AdapterOptions))) ??
    null
  );
}

/**
 * Checks the section; problems are kept.
 * @param figures what weights may be chosen by
 * @param usual the one that they are chosen by where the recipe does not say
 */
export function checkTransfer(
  problems: Problems,
  value: unknown,
  { figures, usual }: { readonly figures: readonly string[]; readonly usual: string },
): TransferSettings | undefined {
  const section = problems.section("transfer", value);
  if (section === undefined) return undefined;
  const { selectionFigure = null, adapter: chosen, ...strategy } = section;
  const issues: ConfigIssue[] = [];
  const resolved = resolveStrategy(strategy, issues, "transfer", ["adapter", "selectionFigure"]);
  const adapter = checkAdapter(problems, chosen);
  for (const { path, message, code } of issues) problems.add(path, message, code);
  const isKnown = typeof selectionFigure === "string" && figures.includes(selectionFigure);
  if (selectionFigure !== null && !isKnown) {
    const message = `must be one of ${figures.join(", ")}; got ${showValue(selectionFigure)}.`;
    problems.add("transfer.selectionFigure", message, "CONFIG_VALUE");
  }
  return { ...resolved, adapter, selectionFigure: isKnown ? selectionFigure : usual };
}
