export { cohenKappa, type KappaWeights } from "./agreement.ts";
export { type AnswerScore, compareWords, compareWordsOrNone, normalizeAnswer } from "./answer-score.ts";
export {
  type AnswerThreshold,
  chooseAnswerThreshold,
  type ScoredAnswer,
  type ThresholdAim,
} from "./answer-threshold.ts";
export {
  type BleuOptions,
  type BleuPart,
  type BleuScore,
  type BleuSmoothing,
  bleuOfParts,
  corpusBleu,
  sentenceBleu,
} from "./bleu.ts";
export type { BleuTokenizer } from "./bleu-tokenizer.ts";
export { brierScore, type Calibration, type CalibrationBin, calibration } from "./calibration.ts";
export { chineseAnswerFigures, compareCharacters } from "./chinese-answer.ts";
export { type ChrfOptions, type ChrfScore, corpusChrf } from "./chrf.ts";
export {
  type Average,
  accuracy,
  classPrecisionRecall,
  matthewsCorrelation,
  type PrecisionRecall,
  precisionRecall,
} from "./classification.ts";
export { type ClassificationReport, type ClassReport, classificationReport } from "./classification-report.ts";
export {
  approximateRandomization,
  type BootstrapComparison,
  type Comparison,
  type ComparisonOptions,
  type FigureOfRows,
  pairedBootstrap,
} from "./compare-systems.ts";
export { type ClassCounts, type ConfusionMatrix, classCounts, confusionMatrix } from "./confusion.ts";
export { averageRanks, pearsonCorrelation, spearmanCorrelation } from "./correlation.ts";
export { type EntityReport, type EntityScore, entityReport, tagAccuracy } from "./entity-report.ts";
export { formatClassificationReport } from "./format-classification-report.ts";
export { type HeldOutThreshold, heldOutThreshold } from "./held-out-threshold.ts";
export { bitsPerByte, perplexity, unigramEntropy } from "./language.ts";
export { logLoss } from "./log-loss.ts";
export { porterStem } from "./porter-stemmer.ts";
export {
  type AnswerFigures,
  type AnswerKey,
  type AnswerTexts,
  type SquadTwoFigures,
  type SquadTwoOptions,
  squadFigures,
  squadTwoFigures,
} from "./question-answering.ts";
export {
  averagePrecisionOfRanking,
  ndcgAt,
  ndcgOfScores,
  precisionAt,
  type RankedResults,
  type RankingReport,
  rankingReport,
  recallAt,
  reciprocalRank,
} from "./ranking.ts";
export { meanRouge, type RougeKind, type RougeOptions, type RougeScore, type RougeScores, rouge } from "./rouge.ts";
export { formatSpread, type Spread, spread } from "./spread.ts";
export {
  areEntityTags,
  convertTags,
  type Entity,
  entitiesOf,
  mayFollow,
  strictEntitiesOf,
  type TagScheme,
  tagSchemes,
  tagsOf,
} from "./tag-scheme.ts";
export { averagePrecision, rocAuc } from "./threshold.ts";
