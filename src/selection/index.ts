export { type Baseline, baselineRows, type TrainingTruth } from "./baseline.ts";
export { type CompareRunsOptions, compareRuns, comparisonText, type RunComparison } from "./compare-runs.ts";
export {
  type CrossValidation,
  type CrossValidationOptions,
  crossValidate,
  crossValidationReport,
  crossValidationText,
  type FoldPlace,
  type FoldRun,
} from "./cross-validate.ts";
export { type ErrorReportOptions, errorReport } from "./error-report.ts";
export { assignFolds, type DataUnit, type FoldParts, foldParts, nestedOrder } from "./folds.ts";
export { judgedFigures } from "./judged-figure.ts";
export { judgedFile, readJudged, writeJudged } from "./judged-file.ts";
export type {
  JudgedAnswer,
  JudgedChoice,
  JudgedClass,
  JudgedRow,
  JudgedScore,
  JudgedTags,
  JudgedTask,
  JudgedText,
} from "./judged-row.ts";
export {
  type CurveBaseline,
  type CurvePlace,
  type CurveRun,
  type CurveStart,
  type LearningCurve,
  type LearningCurveOptions,
  learningCurve,
  learningCurveChart,
  learningCurveReport,
  learningCurveSvg,
  learningCurveText,
} from "./learning-curve.ts";
export { type SearchResult, type SearchSpec, search, type TrialPlace } from "./search.ts";
export { searchReport, searchText } from "./search-report.ts";
export {
  choice,
  type Dimension,
  gridSettings,
  logUniform,
  parseDimension,
  randomSettings,
  type SearchSettings,
  type SearchSpace,
  uniform,
  wholeNumber,
} from "./space.ts";
export type { StopRule } from "./stop-rule.ts";
export type { RunKey, SelectionFigure, Trial, TrialEvaluation, TrialOutcome, TrialRun } from "./trial.ts";
