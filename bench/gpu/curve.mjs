// A short run on a language that can be learned, from a seed: its losses must be those of any other engine.
//
//   node bench/gpu/curve.mjs --engine cuda --dtype f32 --steps 200 [--until 40] > FILE.json
//
// --until ends the run early; its steps are those of the whole run.
// The language's words follow each other in cycles; weights, batches and dropout masks are functions of seeds. Prints a line of
// JSON for each step, and one at the end.

import { backendOptions, dist, openBackend } from "./backend.mjs";
import { say } from "./side.mjs";
import { curve } from "./works.mjs";

const text = { type: "string" };
const values = backendOptions({ steps: text, until: text, preset: text });
const dtype = values.dtype ?? "f32";
const numWords = 59;
const maxSeqLength = 64;

const { bert, bertConfig, maskedLanguageModeling, WordPiece } = await dist("index");
const { train } = await dist("train/trainer");
const { trainOptionsTable } = await dist("train/options");
const { Random } = await dist("base/random");

const special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];
const words = Array.from({ length: numWords }, (_, i) => `t${i}`);
const tokenizer = WordPiece.fromVocabulary([...special, ...words]);
const { module, weights } = bert(
  bertConfig({ preset: values.preset ?? curve.preset, vocabSize: special.length + numWords }),
  {
    seed: 1,
  },
);
const examples = {
  numExamples: 4096,
  example: (_seed, _epoch, index) => {
    const random = new Random(99, index);
    const length = maxSeqLength - 2 - random.nextInt(24);
    const first = random.nextInt(numWords);
    const stride = 1 + random.nextInt(3);
    const tokens = Int32Array.from({ length }, (_, i) => special.length + ((first + stride * i) % numWords));
    return { a: { tokens, wordStarts: new Uint8Array(length).fill(1) } };
  },
};
const { backend } = await openBackend(values);
const began = performance.now();
const early = new AbortController();
await train({
  backend,
  model: module,
  weights,
  // Rows are not packed: their number, and with it the program, is the same in every step.
  objective: maskedLanguageModeling({ tokenizer, maxSeqLength, packed: false }),
  examples,
  policy: { compute: dtype },
  options: trainOptionsTable.resolve({
    ...{
      maxSteps: Number(values.steps ?? curve.steps),
      batchSize: curve.batch,
      learningRate: 2e-3,
      warmupSteps: 20,
      seed: 3,
    },
  }),
  listener: (event) => {
    if (event.kind !== "step") return;
    say({ step: event.step, loss: event.loss, norm: event.gradientNorm });
    if (event.step === Number(values.until)) early.abort();
  },
  signal: early.signal,
});
say({ engine: backend.name, dtype, seconds: (performance.now() - began) / 1000 });
await backend.dispose();
