/** @file What fine-tuning with unlabelled texts is told, checked. */
import { ConfigError, type ConfigIssue } from "../base/errors.ts";
import { type CrossViewSettings, crossViewTable } from "../transfer/cross-view/option.ts";
import type { PlainTextSource } from "../transfer/cross-view/unlabelled-text.ts";
import { type SeeingNetwork, type ViewedKind, type ViewName, viewIssues } from "../transfer/cross-view/view.ts";

/**
 * Cross-view training: labelled and unlabelled batches in turn. On unlabelled texts the network predicts as it stands, and
 * modules that see a part of each text learn to predict the same, by which its encoder learns.
 * @source Clark, Luong, Manning & Le 2018, arXiv:1809.08370
 */
export interface CrossViewOptions {
  /** Texts without labels: {@link lineTexts}, {@link tableTexts} or {@link sentenceTexts}, or whatever gives texts. */
  readonly unlabelled: PlainTextSource;
  /**
   * What is seen where predictions are to be the same. Of words `forward`, `backward`, `future` and `past` by default, of
   * texts `firstHalf`, `secondHalf` and `masked`; where tokens look left only there is `masked` alone.
   */
  readonly views?: readonly ViewName[] | null | undefined;
  /** Factor of each view's term in the loss; 1 by default. */
  readonly weight?: number | undefined;
  /** Unlabelled texts a step; as many as labelled ones by default. */
  readonly batchSize?: number | null | undefined;
  /** Unlabelled steps after each labelled one; 1 by default. They count as steps of the run. */
  readonly unlabelledSteps?: number | undefined;
  /** Share of the tokens that the view `masked` does not see; 0.15 by default. */
  readonly maskProbability?: number | undefined;
  /** At most so many unlabelled texts are read; all by default. */
  readonly maxTexts?: number | null | undefined;
}

/** The options with all settings. */
export interface ResolvedCrossView {
  readonly source: PlainTextSource;
  readonly settings: CrossViewSettings;
}

/** Settings with their values; problems are added to a list. */
export function resolveCrossView(
  { unlabelled, ...given }: CrossViewOptions,
  issues: ConfigIssue[],
): ResolvedCrossView | undefined {
  const known = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  if (typeof unlabelled?.texts !== "function") {
    const message = "must be texts without labels, as lineTexts, tableTexts and sentenceTexts give them.";
    issues.push({ path: "crossView.unlabelled", message, code: "CONFIG_MISSING" });
  }
  try {
    return { source: unlabelled, settings: crossViewTable.resolve(known) };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    issues.push(...error.issues.map((issue) => ({ ...issue, path: `crossView.${issue.path}` })));
    return undefined;
  }
}

/** Views that the tasks or the network cannot have. */
export function crossViewIssues(
  crossView: ResolvedCrossView | undefined,
  network: SeeingNetwork,
  kinds: readonly ViewedKind[],
): ConfigIssue[] {
  const names = crossView?.settings.views ?? null;
  return names === null ? [] : viewIssues(names, network, new Set(kinds));
}
