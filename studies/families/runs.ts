/** @file The runs of the study: one for each family and objective, all of one size on one text. */
import { join } from "node:path";

export const studyFolder = join("runs", "families");
export const textFolder = join(studyFolder, "text");
/** Names and phrases of the text, for ERNIE: see the page of the study. */
export const spansFile = join(studyFolder, "spans.tsv");

export interface FamilyRun {
  readonly name: string;
  readonly title: string;
  /** What is predicted, in a few words. */
  readonly learns: string;
  /** Whether the loss is that of the text's own tokens alone. */
  readonly comparesWithUnigram: boolean;
  readonly recipe: string;
  /** Settings that differ from the recipe's, beside {@link common}. */
  readonly settings: readonly string[];
}

/** One start of a run's program. */
export interface Part {
  readonly options: readonly string[];
  /** From start to end, preparing the text included. */
  readonly seconds: number;
  readonly exitCode: number | null;
}

/** One line of JSON for each {@link Part}. */
export const partsFile = ({ name }: Pick<FamilyRun, "name">): string => join(studyFolder, `${name}.parts.jsonl`);

/** Settings of all runs: a small vocabulary, short rows, at most 5 million tokens. */
export const common: readonly string[] = [
  `data.input=${join(textFolder, "train.txt")}`,
  `data.evalInput=${join(textFolder, "eval.txt")}`,
  "data.evalFraction=null",
  "data.sentences=line",
  "tokenizer.train.vocabSize=8192",
  "objective.maxSeqLength=128",
  "train.maxSteps=1200",
  "train.batchSize=32",
  "train.gradientAccumulationSteps=1",
  "train.learningRate=1e-3",
  "train.warmupSteps=120",
  "train.evalSteps=100",
  "train.checkpointSteps=300",
];

const ofSize = (positions: number): string[] => [`model.maxPositionEmbeddings=${positions}`];

/** Two stacks cost twice as much. */
const shorter: readonly string[] = ["train.maxSteps=700", "train.warmupSteps=70"];
/** At the rate of the others MASS stays where it begins: at the commonest words. */
const gentler: readonly string[] = ["train.maxSteps=1500", "train.warmupSteps=150", "train.learningRate=5e-4"];

/**
 * Whether two segments follow one another can only be measured on documents like those of training: among a few novels a
 * segment of another document is one of the same kind, which is rare in training.
 */
const heldOutLikeTraining: readonly string[] = ["data.evalInput=null", "data.evalFraction=0.02"];

export const runs: readonly FamilyRun[] = [
  {
    name: "gpt2",
    title: "GPT-2",
    learns: "next words",
    comparesWithUnigram: true,
    recipe: "gpt2-mini",
    settings: ofSize(128),
  },
  {
    name: "gpt",
    title: "GPT",
    learns: "next words",
    comparesWithUnigram: true,
    recipe: "gpt-mini",
    settings: [...ofSize(128), "train.numEpochs=null"],
  },
  {
    name: "roberta",
    title: "RoBERTa",
    learns: "masked words",
    comparesWithUnigram: true,
    recipe: "roberta-mini",
    settings: [...ofSize(130), "train.maxGradNorm=1"],
  },
  {
    name: "albert",
    title: "ALBERT",
    learns: "masked n-grams and the order of sentences",
    comparesWithUnigram: false,
    recipe: "albert-mini",
    settings: ["objective.maxPredictionsPerSequence=20", "train.optimizer=adamw"],
  },
  {
    name: "ernie",
    title: "ERNIE",
    learns: "masked words, phrases and names",
    comparesWithUnigram: false,
    recipe: "ernie-mini",
    settings: [`objective.spans=${spansFile}`, ...heldOutLikeTraining],
  },
  {
    name: "unilm",
    title: "UniLM",
    learns: "masked words read in four ways, and next sentences",
    comparesWithUnigram: false,
    recipe: "unilm-mini",
    settings: ["objective.maxPredictionsPerSequence=20", ...heldOutLikeTraining],
  },
  {
    name: "mass",
    title: "MASS",
    learns: "half of every text from the other half",
    comparesWithUnigram: true,
    recipe: "mass-mini",
    settings: [...ofSize(256), ...gentler],
  },
  {
    name: "bart",
    title: "BART",
    learns: "texts from their noisy form",
    comparesWithUnigram: false,
    recipe: "bart-mini",
    settings: [...ofSize(256), ...shorter],
  },
];
