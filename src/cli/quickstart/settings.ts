/** @file The quickstart's recipe: small enough for a few minutes on two processor cores. */

/** Seed of everything; another one gives another run. */
export const defaultSeed = 1;

export const vocabSize = 4096;
export const maxSeqLength = 64;

/** Two layers, hidden size 128: BERT-tiny, with fewer positions. */
export const model = { preset: "tiny", maxPositionEmbeddings: maxSeqLength } as const;

export const pretraining = {
  maxSteps: 2400,
  batchSize: 32,
  learningRate: 2e-3,
  warmupSteps: 200,
  evalSteps: 200,
  checkpointSteps: 800,
  weightDecay: 0.01,
} as const;

/** Labelled sentences a module that the classifiers learn from: few, as in most projects. */
export const sentencesPerModule = 40;

export const finetuning = {
  numEpochs: 12,
  batchSize: 32,
  learningRate: 5e-4,
  warmupRatio: 0.1,
} as const;

/** Sentences of the documentation, or like it, with a blank. */
export const blanks = [
  { text: "Returns a [MASK] that is resolved when the file has been closed.", expected: "promise" },
  { text: "The callback is called with two [MASK].", expected: "arguments" },
  { text: "If the [MASK] throws, the process will emit an error event.", expected: "callback" },
  { text: "The default [MASK] is used if no encoding is specified.", expected: "value" },
] as const;
