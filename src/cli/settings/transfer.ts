/** @file The section of a recipe that says how a model reaches its task. */
import type { ConfigIssue } from "../../base/errors.ts";
import { showValue } from "../../formats/config-fields.ts";
import { type AdapterOptions, type ResolvedAdapter, resolveAdapter } from "../../models/adapter/option.ts";
import { isPlain, type ResolvedStrategy, resolveStrategy } from "../../transfer/resolve-strategy.ts";
import type { Problems } from "../recipe/problems.ts";
import { type FeatureTableSettings, featureTable } from "./feature.ts";

/** A strategy, an adapter, and what decides which weights are best. */
export type TransferSettings = ResolvedStrategy & {
  readonly adapter: ResolvedAdapter | null;
  readonly selectionFigure: string;
  /** Where only a head over the model's vectors is trained. */
  readonly features?: FeatureTableSettings;
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

/** What is read off the model, which then stands still; problems are kept. */
function checkFeatures(
  problems: Problems,
  value: unknown,
  { resolved, adapter, extracts }: { resolved: ResolvedStrategy; adapter: ResolvedAdapter | null; extracts: boolean },
): FeatureTableSettings | undefined {
  if (!extracts) {
    const message = "is for texts with a class or a number. Leave it out; freeze: encoder trains the head alone.";
    problems.add("transfer.features", message, "STRATEGY_UNSUPPORTED");
  }
  const others = { adapter: adapter !== null, freeze: resolved.freeze !== "none" };
  const moved = Object.keys(others).filter((name) => others[name as keyof typeof others]);
  if (!isPlain({ ...resolved, fromScratch: false })) moved.push("unfreezing, rates by layer and losses of language");
  if (moved.length > 0) {
    const message = `cannot be given with ${moved.join(", ")}: the model stands still. Leave out one of the two.`;
    problems.add("transfer.features", message, "CONFIG_AMBIGUOUS");
  }
  return problems.resolve("transfer.features", featureTable, value);
}

/**
 * Checks the section; problems are kept.
 * @param figures what weights may be chosen by
 * @param usual the one that they are chosen by where the recipe does not say
 * @param extracts whether the task can be learnt by a head over stored vectors
 */
export function checkTransfer(
  problems: Problems,
  value: unknown,
  {
    figures,
    usual,
    extracts = false,
  }: { readonly figures: readonly string[]; readonly usual: string; readonly extracts?: boolean },
): TransferSettings | undefined {
  const section = problems.section("transfer", value);
  if (section === undefined) return undefined;
  const { selectionFigure = null, adapter: chosen, features: read = null, ...strategy } = section;
  const issues: ConfigIssue[] = [];
  const resolved = resolveStrategy(strategy, issues, "transfer", ["adapter", "features", "selectionFigure"]);
  const adapter = checkAdapter(problems, chosen);
  for (const { path, message, code } of issues) problems.add(path, message, code);
  const isKnown = typeof selectionFigure === "string" && figures.includes(selectionFigure);
  if (selectionFigure !== null && !isKnown) {
    const message = `must be one of ${figures.join(", ")}; got ${showValue(selectionFigure)}.`;
    problems.add("transfer.selectionFigure", message, "CONFIG_VALUE");
  }
  const features = read === null ? undefined : checkFeatures(problems, read, { resolved, adapter, extracts });
  const figure = isKnown ? selectionFigure : usual;
  return { ...resolved, adapter, selectionFigure: figure, ...(features === undefined ? {} : { features }) };
}
