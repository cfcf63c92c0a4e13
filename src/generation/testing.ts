/** @file Small networks with random weights, for tests of generation. */
import type { Backend } from "../backend/backend.ts";
import { Random } from "../base/random.ts";
import type { EncoderInputs, PretrainingModel } from "../models/model.ts";
import { TransformerDecoder } from "../models/transformer/decoder.ts";
import { TransformerEncoder } from "../models/transformer/encoder.ts";
import { tiedLogits } from "../models/transformer/head.ts";
import type { EmbeddingOptions, LayerOptions } from "../models/transformer/options.ts";
import { type Initializer, normal } from "../nn/initializer.ts";
import { type ForwardContext, Module, namedParameters } from "../nn/module.ts";
import type { Weights } from "../nn/weights.ts";
import { integers } from "../objectives/row-batch.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { byteCharacters } from "../tokenizers/byte-alphabet.ts";
import { ByteStream } from "../tokenizers/text-stream.ts";
import type { Tokenizer } from "../tokenizers/tokenizer.ts";
import { BatchProgram } from "../train/batch-program.ts";
import { FixedWeights } from "../train/fixed-weights.ts";
import { traceForward } from "../train/forward-graph.ts";
import type { WritingPrompt } from "./writing-rows.ts";

export const VOCAB = 43;
export const MASK = 3;
export const START = 2;
const ROOM = 96;

const init: Initializer = normal(0.4);

export type TestKind = "gpt" | "bart" | "unilm";

function options(kind: TestKind): { embeddings: EmbeddingOptions; layers: LayerOptions } {
  const shared = { hiddenSize: 24, layerNormEps: 1e-5, init };
  return {
    embeddings: {
      ...{ ...shared, vocabSize: VOCAB, maxPositionEmbeddings: ROOM, dropout: 0.1 },
      typeVocabSize: kind === "unilm" ? 2 : 0,
      normalizes: kind !== "gpt",
    },
    layers: {
      ...{ ...shared, numHiddenLayers: 3, numAttentionHeads: 4, intermediateSize: 40 },
      ...{ hiddenDropout: 0.1, attentionDropout: 0.1 },
      activation: "gelu_new",
      normalization: kind === "gpt" ? "pre" : "post",
    },
  };
}

class TestModel extends Module {
  readonly encoder: TransformerEncoder;

  constructor(kind: TestKind) {
    super();
    this.encoder = new TransformerEncoder({ ...options(kind), isCausal: kind === "gpt" });
  }

  protected logits(context: ForwardContext, hidden: Tensor): Tensor {
    return tiedLogits(context, hidden, this.encoder.embeddings.wordEmbeddings.weight);
  }
}

class TestReader extends TestModel implements PretrainingModel {
  maskedLmLogits(context: ForwardContext, hidden: Tensor): Tensor {
    return this.logits(context, hidden);
  }
}

class TestWriter extends TestModel implements PretrainingModel {
  readonly decoder: TransformerDecoder | undefined;

  constructor(kind: TestKind) {
    super(kind);
    const words = this.encoder.embeddings.wordEmbeddings;
    this.decoder =
      kind === "bart" ? new TransformerDecoder({ ...options(kind), startTokenId: START }, words) : undefined;
  }

  causalLmLogits(context: ForwardContext, hidden: Tensor): Tensor {
    return this.logits(context, hidden);
  }
}

/** Random everything: biases and gains too, so that a forgotten one shows. */
export function testModel(kind: TestKind, seed = 1): { model: PretrainingModel; weights: Weights } {
  const model = kind === "unilm" ? new TestReader(kind) : new TestWriter(kind);
  const weights = new Map(
    [...namedParameters(model)].map(([name, { shape }]) => {
      const random = new Random(seed, name);
      const isGain = /norm\.weight$/i.test(name);
      const size = shape.reduce((product, dim) => product * dim, 1);
      return [name, Float32Array.from({ length: size }, () => (isGain ? 1 : 0) + 0.3 * random.nextNormal())];
    }),
  );
  return { model, weights };
}

/** A prompt of random tokens. */
export function testPrompt(kind: TestKind, seed: number, sourceLength: number, length: number): WritingPrompt {
  const random = new Random(seed, "prompt");
  const ids = (count: number) => Int32Array.from({ length: count }, () => 5 + random.nextInt(VOCAB - 5));
  if (kind === "bart") return { source: ids(sourceLength), tokens: Int32Array.of(START, ...ids(length - 1)) };
  return { source: kind === "unilm" ? ids(sourceLength) : new Int32Array(), tokens: ids(length) };
}

/** Tokens of one text, with where they stand. */
interface PlainRow {
  readonly ids: readonly number[];
  readonly segments?: readonly number[];
  readonly ranks?: readonly number[];
  readonly source?: Int32Array;
}

/** Widths of rows are multiples of this, so that few graphs are traced. */
const WIDTH_STEP = 16;

type TestedModel = ReturnType<typeof testModel>;

const plainPrograms = new WeakMap<TestedModel, BatchProgram>();

/** The whole network without any cache; kept, as tests ask for many rows. */
function plainProgram(backend: Backend, tested: TestedModel): BatchProgram {
  const known = plainPrograms.get(tested);
  if (known !== undefined) return known;
  const { model, weights } = tested;
  const store = new FixedWeights(backend, model, weights);
  const program = new BatchProgram({
    backend,
    store,
    trace: (batch) =>
      traceForward(store.parameters, batch, { compute: "f32" }, (context, symbols) => {
        const inputs = symbols as unknown as EncoderInputs;
        const { sourceTokens, sourceIds, sourcePositions, places } = symbols;
        const read = (): Tensor => {
          if (sourceTokens === undefined) return model.encoder.encodeAt(context, inputs, places!);
          const text = { inputIds: sourceTokens, sequenceIds: sourceIds!, positionIds: sourcePositions! };
          const { lastHiddenState } = model.encoder.encode(context, { ...text, tokenTypeIds: sourceIds! });
          const looked = { states: lastHiddenState, sequenceIds: sourceIds! };
          return model.decoder!.decodeAt(context, inputs, looked, places!);
        };
        const hidden = read();
        const logits = model.causalLmLogits?.(context, hidden) ?? model.maskedLmLogits!(context, hidden);
        return { logits };
      }),
  });
  plainPrograms.set(tested, program);
  return program;
}

/** Scores after the last place of a row, computed at once without any cache: `[V]`. */
async function plainRow(
  backend: Backend,
  tested: TestedModel,
  { ids, segments = ids.map(() => 0), ranks, source }: PlainRow,
): Promise<Float32Array> {
  const list = (values: ArrayLike<number>) => {
    const padded = new Int32Array(Math.ceil(values.length / WIDTH_STEP) * WIDTH_STEP);
    padded.set(values);
    return integers(padded, [1, padded.length]);
  };
  const ones = (values: ArrayLike<number>) => list(Array.from(values, () => 1));
  const tensors = {
    ...{
      inputIds: list(ids),
      sequenceIds: ones(ids),
      positionIds: list([...ids.keys()]),
      tokenTypeIds: list(segments),
    },
    ...(ranks === undefined ? {} : { attentionRanks: list(ranks) }),
    places: integers(Int32Array.of(ids.length - 1), [1]),
    ...(source === undefined
      ? {}
      : { sourceTokens: list(source), sourceIds: ones(source), sourcePositions: list([...source.keys()]) }),
  };
  const counts = { counts: {}, numSequences: 1, numTokens: ids.length, numPlaces: ids.length };
  const { logits } = await plainProgram(backend, tested).run({ tensors, ...counts });
  return Float32Array.from(logits!);
}

/** Scores of the token that follows the prompt, computed at once without any cache: `[V]`. */
export async function plainNext(
  backend: Backend,
  kind: TestKind,
  tested: TestedModel,
  { source, tokens }: WritingPrompt,
): Promise<Float32Array> {
  if (kind !== "unilm") {
    return plainRow(backend, tested, { ids: [...tokens], ...(kind === "bart" ? { source } : {}) });
  }
  const ids = [...source, ...tokens, MASK];
  const isSource = (place: number) => place < source.length;
  const ranks = ids.map((_, place) => (isSource(place) ? 0 : place - source.length + 1));
  const segments = ids.map((_, place) => (isSource(place) ? 0 : 1));
  return plainRow(backend, tested, { ids, ranks, segments });
}

/** Bytes that the test tokenizer's ids stand for, from id 5 on: letters, spaces, and parts of longer characters. */
const testBytes = [...Buffer.from("aeéü€ 好 bc😀x\n", "utf8")].slice(0, VOCAB - 5);

/** A tokenizer of single bytes, so that characters come in parts; ids without a byte are letters. */
export function testTokenizer(): Tokenizer {
  const byteOf = (id: number): number | undefined => (id < 5 ? undefined : (testBytes[id - 5] ?? 0x41 + id - 5));
  const tokenOf = (id: number) => {
    const byte = byteOf(id);
    return byte === undefined ? undefined : byteCharacters[byte];
  };
  const encode = (text: string): Int32Array => {
    const ids = [...Buffer.from(text, "utf8")].map((byte) => {
      return Array.from({ length: VOCAB }, (_, id) => id).find((id) => byteOf(id) === byte) ?? 5;
    });
    return Int32Array.from(ids);
  };
  return {
    vocabSize: VOCAB,
    special: { pad: 0, unk: -1, cls: 1, sep: undefined, mask: MASK, bos: undefined, eos: 4 },
    specialIds: [0, 1, 2, 3, 4],
    hash: "test",
    encodeBatch: () => Promise.reject(new Error("not needed")),
    encodeIds: async (texts) =>
      texts.map((text) => ({ ids: encode(text), wordStarts: new Uint8Array(encode(text).length) })),
    decode: async (ids) => Buffer.from(Array.from(ids).flatMap((id) => byteOf(id) ?? [])).toString("utf8"),
    stream: () => new ByteStream(tokenOf),
    idToToken: tokenOf,
    tokenToId: () => undefined,
    save: () => Promise.reject(new Error("not needed")),
  };
}
