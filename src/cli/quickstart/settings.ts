/** @file The quickstart's recipe: small enough for a few minutes on two processor cores. */

/** Seed of everything; another one gives another run. */
export const defaultSeed = 1;

export const vocabSize = 4096;
export const maxSeqLength = 64;

/**
 * Two layers, hidden size 128: BERT-tiny, with fewer positions. New weights are drawn wider than BERT-base's 0.02, by
 * about √(768 / 128): products over the smaller width then begin as large, and attention wakes up sooner.
 */
export const model = { preset: "tiny", maxPositionEmbeddings: maxSeqLength, initializerRange: 0.05 } as const;

export const pretraining = {
  maxSteps: 3000,
  batchSize: 32,
  learningRate: 2e-3,
  warmupSteps: 200,
  evalSteps: 200,
  checkpointSteps: 1000,
  weightDecay: 0.01,
} as const;

/** Labelled sentences a module that the classifiers learn from: few, as in most projects. */
export const sentencesPerModule = 20;

export const finetuning = {
  numEpochs: 16,
  batchSize: 32,
  learningRate: 5e-4,
  warmupRatio: 0.1,
} as const;

/** Sentences of the documentation, or like it, with a blank. */
export const blanks = [
  { text: "Returns true [MASK] the file exists.", expected: "if" },
  { text: "The callback is called [MASK] an error.", expected: "with" },
  { text: "This event is [MASK] when the stream is closed.", expected: "emitted" },
  { text: "The server will be closed [MASK] the process exits.", expected: "when" },
] as const;
