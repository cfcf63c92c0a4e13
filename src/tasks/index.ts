export type { Answer, AnswerCandidate } from "./answer-span.ts";
export {
  type ClassificationData,
  type ClassificationExample,
  type LabelledReading,
  readLabelled,
} from "./classification-data.ts";
export {
  type ClassificationFigure,
  type ClassificationResult,
  classificationFigures,
  classificationResult,
} from "./classification-evaluation.ts";
export { type EncodedText, encodeTexts, type TextInput } from "./encode-text.ts";
export { type GlueFigures, type GlueTask, type GlueTaskName, glueTaskNames, glueTasks } from "./glue.ts";
export { findGlueData, type GlueData } from "./glue-files.ts";
export {
  type AnswerMeasure,
  type AnswerSettings,
  answerMeasures,
  type QuestionAnswering,
  type QuestionAnsweringOptions,
  type QuestionAnsweringSettings,
  questionAnswering,
} from "./question-answering.ts";
export type { QuestionAnsweringResult } from "./question-answering-evaluation.ts";
export type { RankingData } from "./ranking-data.ts";
export { type RankingResult, rankingFigures } from "./ranking-evaluation.ts";
export type { RegressionData, ScoreRange } from "./regression-data.ts";
export { type RegressionResult, regressionFigures, regressionResult } from "./regression-evaluation.ts";
export {
  type SequenceToSequence,
  type SequenceToSequenceOptions,
  type SequenceToSequenceSettings,
  sequenceToSequence,
} from "./sequence-to-sequence.ts";
export type { TextPair, TextPairData } from "./sequence-to-sequence-data.ts";
export type { TextColumns } from "./table-text.ts";
export {
  type TextClassification,
  type TextClassificationOptions,
  type TextClassificationSettings,
  textClassification,
} from "./text-classification.ts";
export { TextClassifierProgram, type TextClassifierProgramOptions } from "./text-classifier-program.ts";
export { type TextRanking, type TextRankingOptions, textRanking } from "./text-ranking.ts";
export { type TextRegression, type TextRegressionOptions, textRegression } from "./text-regression.ts";
export type { LabelledText, TextTask, TextTaskData, TextTaskOptions, TextTaskSettings } from "./text-task.ts";
