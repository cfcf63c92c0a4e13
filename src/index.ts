/**
 * @file The public surface of Firth.
 *
 * Everyday use needs the first two groups; the others are for those who build models, objectives or engines.
 */

export { type MergeAdapterOptions, type MergedAdapter, mergeAdapter } from "./api/adapter.ts";
export { type AnswerModel, loadAnswerModel, saveAnswerModel } from "./api/answer-model.ts";
export {
  type Answerer,
  type AnswerOptions,
  type AskedQuestion,
  answerQuestions,
  openAnswerer,
} from "./api/answer-questions.ts";
export {
  type Choice,
  type ChoicePredictor,
  type ChooseOptions,
  type Chooser,
  choose,
  type LoadedChooser,
  loadChooser,
  openChooser,
  type RowChoice,
  saveChooser,
} from "./api/chooser.ts";
export type { CrossViewOptions } from "./api/cross-view-option.ts";
export {
  type Embedder,
  type EmbeddingModel,
  type EmbedOptions,
  embed,
  embedRows,
  openEmbedder,
  type RowEmbedding,
} from "./api/embed.ts";
export { evaluate } from "./api/evaluate.ts";
export {
  type CandidateFigures,
  type CandidateOptions,
  evaluateCandidates,
  evaluateRetrieval,
  type JudgedQuestion,
  type Latency,
  type QuestionColumns,
  type RetrievalEvaluation,
  readQuestions,
} from "./api/evaluate-retrieval.ts";
export { type EvaluateTaskOptions, evaluateTask } from "./api/evaluate-task.ts";
export {
  type EvaluateWriterOptions,
  type EvaluateWritingOptions,
  evaluateWriter,
  evaluateWriting,
  type WriterEvaluation,
  type WritingEvaluation,
  type WrittenPair,
} from "./api/evaluate-writing.ts";
export { explainTransfer } from "./api/explain-transfer.ts";
export { type ExportedModel, type ExportModelOptions, exportModel } from "./api/export.ts";
export {
  type AnswerEntry,
  type FaqAnswer,
  type FaqBot,
  type FaqBotOptions,
  openFaqBot,
  openPairScorer,
  type PairScorer,
} from "./api/faq-bot.ts";
export {
  type FeatureFacts,
  type FeatureModel,
  type FeaturePredictor,
  loadFeatureModel,
  openFeaturePredictor,
  saveFeatureModel,
} from "./api/feature-model.ts";
export {
  type FilledText,
  type FillMaskOptions,
  fillMask,
  type MaskCandidate,
  type MaskFiller,
  openMaskFiller,
} from "./api/fill-mask.ts";
export { type Finetuned, type FinetuneOptions, finetune } from "./api/finetune.ts";
export {
  type FeatureOptions,
  type FeatureSettings,
  type FinetunedFeatures,
  finetuneFeatures,
} from "./api/finetune-features.ts";
export { type FinetunedChooser, finetuneMultipleChoice } from "./api/finetune-multiple-choice.ts";
export {
  type AnswerFinetuneOptions,
  type FinetunedAnswerer,
  finetuneQuestionAnswering,
} from "./api/finetune-question-answering.ts";
export { type FinetunedRetriever, finetuneRetrieval, type RetrievalTables } from "./api/finetune-retrieval.ts";
export {
  type FinetunedWriter,
  finetuneSequenceToSequence,
  type WriterFinetuneOptions,
} from "./api/finetune-sequence-to-sequence.ts";
export { type FinetunedTagger, finetuneTagging } from "./api/finetune-tagging.ts";
export {
  type AnyTogetherTask,
  type FinetunedTogether,
  type FinetuneTogetherOptions,
  finetuneTogether,
  type HeadOption,
  type MixingOptions,
  type TogetherEvaluation,
  type TogetherTagging,
  type TogetherTask,
} from "./api/finetune-together.ts";
export {
  type GeneratedText,
  type GenerateOptions,
  type GenerateSettings,
  type Generator,
  generate,
  generationSettings,
  openGenerator,
} from "./api/generate.ts";
export {
  type GlueGrid,
  type GlueOptions,
  type GlueReport,
  type GlueTaskReport,
  type GlueTrial,
  glue,
} from "./api/glue.ts";
export { type ImportedModel, type ImportModelOptions, importModel } from "./api/import-model.ts";
export { judgeAnswers, judgeChoices, judgeClasses, judgeFeatures, judgeScores, judgeTags } from "./api/judge.ts";
export {
  type LikelihoodOptions,
  likelihoods,
  type OptionLikelihood,
  type Perplexity,
  type PromptAnswer,
  type PromptOptions,
  type PromptResult,
  perplexity,
  prompt,
} from "./api/likelihood.ts";
export { loadClassifier, loadPretrained, saveClassifier } from "./api/load.ts";
export { type MineNegativesOptions, mineNegatives } from "./api/mine-negatives.ts";
export { type PretrainedModel, saveModel, type TextClassifier, type TextModel } from "./api/model.ts";
export {
  type LearntTask,
  loadMultiTask,
  loadTask,
  loadTaskTagger,
  type MultiTaskTextModel,
  saveMultiTask,
  type TaskClassifier,
  type TaskTagger,
  taggerOf,
  taskOf,
} from "./api/multi-task-model.ts";
export {
  openPredictor,
  type Prediction,
  type PredictOptions,
  type Predictor,
  predict,
  predictRows,
  type TableEvaluation,
} from "./api/predict.ts";
export { openScorer, type RowScore, type ScoreEvaluation, type Scorer, withScorer } from "./api/predict-score.ts";
export { type CorpusInput, type Pretrained, type PretrainOptions, pretrain } from "./api/pretrain.ts";
export { type RetrievalModel, saveRetrievalModel } from "./api/retrieval-model.ts";
export type { PredictedRow, RowPredictor, RowPredictorOptions } from "./api/row-prediction.ts";
export { openRowPredictor } from "./api/row-predictor.ts";
export {
  type LoadedTagger,
  loadTagger,
  openTagger,
  type TaggedText,
  type TaggedWord,
  type Tagger,
  type TagOptions,
  type TagPredictor,
  type TextEntity,
} from "./api/tagger.ts";
export {
  type Added,
  type AddOptions,
  type BuildIndexOptions,
  buildIndex,
  type IndexInfo,
  indexInfo,
  type OpenIndexOptions,
  openIndex,
  removeFromIndex,
  type SearchOptions,
  searchIndex,
  type VectorIndex,
} from "./api/vector-index.ts";
export {
  addVocabulary,
  type ChangedPositions,
  type ChangedVocabulary,
  extendPositionTable,
  swapVocabulary,
  symbolVocabulary,
} from "./api/vocabulary.ts";
export type { WritingFigures } from "./api/writing-loss.ts";
// For those who go deeper: graphs, tensors, gradients, engines.
export { grad, gradients, valueAndGrad, vjp } from "./autodiff/grad.ts";
export type { Backend, Executable, ParameterStore, Sweep } from "./backend/backend.ts";
// Errors.
export {
  BackendError,
  CheckpointError,
  ConfigError,
  type ConfigIssue,
  DataError,
  FirthError,
  ShapeError,
} from "./base/errors.ts";
// Text and tokenizers.
export { csv, tsv } from "./data/delimited.ts";
export type { TextDocument } from "./data/document.ts";
export { jsonLines } from "./data/json-lines.ts";
export { type MineOptions, mineSpans } from "./data/mine-spans.ts";
export { parallelText } from "./data/parallel-text.ts";
export { type PrepareOptions, type PrepareProgress, prepareCorpus } from "./data/prepare-corpus.ts";
export { parseQuestions, type Question, type QuestionData, questionFile } from "./data/question-file.ts";
export { questionLines } from "./data/question-lines.ts";
export { inspectCorpus, ShardedCorpus } from "./data/sharded-corpus.ts";
export { joinSources, TextSource, textDocuments } from "./data/source.ts";
export { formatSpans, readSpans, type SpanEntry, type SpanKind } from "./data/span-file.ts";
export { SpanLexicon } from "./data/span-lexicon.ts";
export type { TableRow, TableSource } from "./data/table.ts";
export { type TaggedLinesOptions, taggedLines } from "./data/tagged-lines.ts";
export {
  type ConllColumnOptions,
  conllColumns,
  conllU,
  type TaggedSentence,
  type TaggedSource,
} from "./data/tagged-sentence.ts";
export { textFile, textFolder } from "./data/text-file.ts";
// Figures and reports.
export * from "./evaluation/index.ts";
export type { LogitsProcessor, TextSoFar } from "./generation/logits-processor.ts";
export { comparedFigure, likeliest } from "./generation/option-likelihood.ts";
export { type PromptTemplate, parsePromptTemplate } from "./generation/prompt-template.ts";
export type { DType, HostTensor, TensorType } from "./ir/dtype.ts";
export type { Graph } from "./ir/graph.ts";
export { printGraph } from "./ir/print.ts";
export { tensorType } from "./ir/shape.ts";
export { verifyGraph } from "./ir/verify.ts";
export type { AdapterOptions, BottleneckAdapterOptions, LoraOptions, LoraTarget } from "./models/adapter/option.ts";
export { type AlbertConfig, type AlbertConfigInput, albertConfig, albertPresets } from "./models/albert/config.ts";
export { albert, albertFamily } from "./models/albert/family.ts";
export { type BartConfig, type BartConfigInput, bartConfig, bartPresets } from "./models/bart/config.ts";
export { bart, bartFamily } from "./models/bart/family.ts";
export { type BertConfig, type BertConfigInput, bertConfig, bertPresets } from "./models/bert/config.ts";
export { bert, bertFamily } from "./models/bert/family.ts";
export { type BiLstmConfig, biLstmConfig } from "./models/bilstm/config.ts";
export { biLstm, biLstmFamily } from "./models/bilstm/family.ts";
export { type ErnieConfig, type ErnieConfigInput, ernieConfig, erniePresets } from "./models/ernie/config.ts";
export { ernie, ernieFamily } from "./models/ernie/family.ts";
export { familyOf } from "./models/families.ts";
export { type Gpt2Config, type Gpt2ConfigInput, gpt2Config, gpt2Presets } from "./models/gpt2/config.ts";
export { gpt2, gpt2Family } from "./models/gpt2/family.ts";
export {
  type OpenAiGptConfig,
  type OpenAiGptConfigInput,
  openAiGptConfig,
  openAiGptPresets,
} from "./models/openai-gpt/config.ts";
export { openAiGpt, openAiGptFamily } from "./models/openai-gpt/family.ts";
export { type RobertaConfig, type RobertaConfigInput, robertaConfig, robertaPresets } from "./models/roberta/config.ts";
export { roberta, robertaFamily } from "./models/roberta/family.ts";
export * as nn from "./nn/index.ts";
export {
  type CausalLanguageModelingOptions,
  causalLanguageModeling,
} from "./objectives/causal-language-modeling.ts";
export { type DenoisingOptions, denoising } from "./objectives/denoising.ts";
export {
  type KnowledgeMaskingOptions,
  type KnowledgeStage,
  knowledgeMasking,
} from "./objectives/knowledge-masking.ts";
export {
  type MaskedLanguageModelingOptions,
  maskedLanguageModeling,
} from "./objectives/masked-language-modeling.ts";
export {
  type MaskedSequenceToSequenceOptions,
  maskedSequenceToSequence,
} from "./objectives/masked-sequence-to-sequence.ts";
export type { Objective } from "./objectives/objective.ts";
export {
  type UnifiedLanguageModelingOptions,
  unifiedLanguageModeling,
  unifiedTokenTypes,
} from "./objectives/unified-language-modeling.ts";
export * from "./report/index.ts";
export type { Entry, FoundEntry } from "./retrieval/entry-store.ts";
export { type EngineChoice, type EngineOptions, type GivenEngine, openEngine } from "./runtime.ts";
// Search, folds, learning curves, comparisons of runs, pages about errors.
export * from "./selection/index.ts";
export type { Answer, AnswerCandidate } from "./tasks/answer-span.ts";
export type { AskedChoice } from "./tasks/choice-data.ts";
export type { ChoiceResult } from "./tasks/choice-evaluation.ts";
export {
  type LabelColumns,
  type LabelPairOptions,
  type LabelSearch,
  labelPairs,
  labelSearch,
} from "./tasks/label-pairs.ts";
export { type MultipleChoice, type MultipleChoiceOptions, multipleChoice } from "./tasks/multiple-choice.ts";
export { type QuestionAnsweringOptions, questionAnswering } from "./tasks/question-answering.ts";
export { type Retrieval, type RetrievalLoss, type RetrievalOptions, retrieval } from "./tasks/retrieval.ts";
export type { RetrievalResult } from "./tasks/retrieval-evaluation.ts";
export { type SequenceToSequenceOptions, sequenceToSequence } from "./tasks/sequence-to-sequence.ts";
export { bestPath as bestTagPath, type ChainScores, type TagScores } from "./tasks/tag-decoder.ts";
export type { TaggingResult, WordTag } from "./tasks/tagging-evaluation.ts";
export { type TextClassificationOptions, textClassification } from "./tasks/text-classification.ts";
export { type TextRankingOptions, textRanking } from "./tasks/text-ranking.ts";
export { type TextRegressionOptions, textRegression } from "./tasks/text-regression.ts";
export {
  type TokenClassification,
  type TokenClassificationOptions,
  tokenClassification,
} from "./tasks/token-classification.ts";
export { checkpoint, customGradient } from "./tensor/call.ts";
export { decompose } from "./tensor/decompose/decompose.ts";
export * as ops from "./tensor/index.ts";
export { Tensor } from "./tensor/tensor.ts";
export { trace } from "./tensor/trace.ts";
export { Bpe } from "./tokenizers/bpe.ts";
export type { BpeTrainOptions } from "./tokenizers/bpe-option.ts";
export { inspectTokenizer, type TokenizerReport } from "./tokenizers/inspect.ts";
export { loadTokenizer } from "./tokenizers/load.ts";
export type { TextStream } from "./tokenizers/text-stream.ts";
export type { Encoding, SpecialTokenIds, Tokenizer } from "./tokenizers/tokenizer.ts";
export { type TokenizerKind, type TokenizerTraining, tokenizerPresets, trainTokenizer } from "./tokenizers/train.ts";
export { trainBpe } from "./tokenizers/train-bpe.ts";
export { trainUnigram } from "./tokenizers/train-unigram.ts";
export { trainWordPiece } from "./tokenizers/train-wordpiece.ts";
export { Unigram } from "./tokenizers/unigram.ts";
export type { UnigramTrainOptions } from "./tokenizers/unigram-option.ts";
export { WordPiece } from "./tokenizers/wordpiece.ts";
export type { WordPieceTrainOptions } from "./tokenizers/wordpiece-option.ts";
export type { EvaluationEvent, StepEvent, TrainEvent, TrainListener } from "./train/event.ts";
export type { TrainOptionsInput } from "./train/options.ts";
export { DivergenceError } from "./train/train-step.ts";
export { type TrainSpec, train } from "./train/trainer.ts";
export {
  lineTexts,
  type PlainText,
  type PlainTextSource,
  sentenceTexts,
  tableTexts,
} from "./transfer/cross-view/unlabelled-text.ts";
export type { ViewName } from "./transfer/cross-view/view.ts";
export type {
  ExplainedGroup,
  ExplainedLoss,
  ExplainedStage,
  TransferExplanation,
} from "./transfer/explain.ts";
export {
  type AuxiliaryLanguageModeling,
  auxiliaryLanguageModeling,
  discriminativeRates,
  type Freeze,
  gradualUnfreezing,
  type LanguageTuning,
  languageTuningFirst,
  type Strategy,
  sequentialUnfreezing,
  siatl,
  slantedTriangular,
  type Unfreezing,
  ulmfit,
} from "./transfer/strategy.ts";
