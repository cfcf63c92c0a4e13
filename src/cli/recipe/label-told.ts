/** @file What a run about classes or numbers says of held-out data: figures to compare over seeds, and a report. */
import { formatClassificationReport } from "../../evaluation/index.ts";
import type { ClassificationResult, RegressionResult } from "../../tasks/index.ts";
import type { FinetuneOutcome } from "./finetune-outcome.ts";

export type Told = Pick<FinetuneOutcome, "figures" | "report">;

export function tellClasses(evaluation: ClassificationResult): Told {
  const { accuracy, matthews, macro, binary, loss } = evaluation;
  const figures = { accuracy, f1: (binary ?? macro).f1, macroF1: macro.f1, matthews, loss };
  return { figures, report: formatClassificationReport(evaluation) };
}

export function tellScores({ pearson, spearman, meanSquaredError, loss }: RegressionResult): Told {
  return { figures: { pearson, spearman, meanSquaredError, loss }, report: undefined };
}
