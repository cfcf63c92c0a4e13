/** @file A classifier whose encoder has run already: it reads stored vectors, and its head alone is trained. */
import { ConfigError, internalError } from "../base/errors.ts";
import { Turns } from "../base/turns.ts";
import type { Batch } from "../data/batch.ts";
import type { HostTensor } from "../ir/dtype.ts";
import type { ClassificationModel, Encoder, EncoderInputs } from "../models/model.ts";
import { truncatedNormal } from "../nn/initializer.ts";
import { dropout, Linear } from "../nn/layers.ts";
import { type ForwardContext, Module } from "../nn/module.ts";
import type { Objective } from "../objectives/objective.ts";
import { roomFor } from "../objectives/row-batch.ts";
import { tanh } from "../tensor/elementwise.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { BatchProgram } from "../train/batch-program.ts";
import { traceForward } from "../train/forward-graph.ts";
import type { TextProgramPlace } from "./text-program.ts";
import type { LabelledText, TextTask, TextTaskData } from "./text-task.ts";

export interface FeatureHeadOptions {
  /** Entries of a vector. */
  readonly size: number;
  readonly numLabels: number;
  /** Width of a layer with tanh between vectors and classes; 0, none, by default. */
  readonly hiddenSize?: number | undefined;
  /** Share of each layer's inputs that is dropped in training; 0.1 by default. */
  readonly dropout?: number | undefined;
}

const never = (): never => {
  throw internalError("a head over stored vectors asked its encoder for more than them");
};

/** Stands where the encoder was: its result is an input. */
class StoredEncoder extends Module implements Encoder {
  readonly pooledToken = "first";
  readonly isCausal = false;
  readonly hiddenSize: number;
  readonly numHiddenLayers = 0;
  readonly vocabSize = 0;
  readonly maxPositionEmbeddings = 0;
  readonly typeVocabSize = 0;

  constructor(size: number) {
    super();
    this.hiddenSize = size;
  }

  encode(): never {
    return never();
  }

  encodeAt(_context: ForwardContext, inputs: EncoderInputs): Tensor {
    return (inputs as unknown as { readonly vectors: Tensor }).vectors;
  }

  pool(_context: ForwardContext, vectors: Tensor): Tensor {
    return vectors;
  }
}

/** Dropout, a layer with tanh if asked for, and a linear layer over stored vectors. Dims: S texts, F entries. */
export class FeatureHead extends Module implements ClassificationModel {
  readonly encoder: Encoder;
  readonly numLabels: number;
  readonly hidden: Linear | undefined;
  readonly classifier: Linear;
  private readonly rate: number;

  /** @throws {ConfigError} all problems together */
  constructor({ size, numLabels, hiddenSize = 0, dropout: rate = 0.1 }: FeatureHeadOptions) {
    super();
    const issues = [
      ...(Number.isInteger(hiddenSize) && hiddenSize >= 0
        ? []
        : [{ path: "hiddenSize", message: `must be a whole number ≥ 0; got ${hiddenSize}.`, code: "CONFIG_RANGE" }]),
      ...(rate >= 0 && rate < 1
        ? []
        : [{ path: "dropout", message: `must lie in [0, 1); got ${rate}.`, code: "CONFIG_RANGE" }]),
    ];
    if (issues.length > 0) throw new ConfigError("features", issues);
    const init = truncatedNormal(0.02);
    this.encoder = new StoredEncoder(size);
    this.numLabels = numLabels;
    this.rate = rate;
    this.hidden = hiddenSize === 0 ? undefined : new Linear(size, hiddenSize, init);
    this.classifier = new Linear(hiddenSize === 0 ? size : hiddenSize, numLabels, init);
  }

  /** `[S, F]` → `[S, numLabels]`. */
  classificationLogits(context: ForwardContext, vectors: Tensor): Tensor {
    const given = dropout(context, vectors, this.rate);
    const read =
      this.hidden === undefined ? given : dropout(context, tanh(this.hidden.apply(context, given)), this.rate);
    return this.classifier.apply(context, read);
  }
}

/** An example by the place of its vector. */
export interface FeatureExample {
  readonly index: number;
  readonly label: number;
}

/** Where vectors are read from. */
export interface VectorSource {
  /** Copies a vector to a place of a list of numbers. */
  read(index: number, target: Float32Array, at: number): void;
}

/** A text of one token stands for each example, so that the task's own batches keep labels and their surplus. */
const PLACEHOLDER = Int32Array.of(0);

const stub = (label: number): LabelledText => ({
  ...{ tokens: PLACEHOLDER, firstStart: 0, secondStart: 1, secondType: 0 },
  ...{ truncated: false, label },
});

/** The tensors of a text's own that a head over vectors does not read. */
const ofTokens = new Set(["inputIds", "tokenTypeIds", "sequenceIds", "positionIds", "lastTokens", "attentionMask"]);

/** A task over stored vectors: its loss, its labels, other inputs. Adds `vectors` f32 `[S, F]` to the task's batches. */
export function featureObjective<D extends TextTaskData, R extends { readonly loss: number }>(
  task: TextTask<D, R>,
  vectors: VectorSource,
  size: number,
): Objective<FeatureExample, ClassificationModel> {
  return {
    name: task.name,
    loss: task.loss,
    collate: (drawn, seed): Batch => {
      const batch = task.collate(
        drawn.map(({ example, ...place }) => ({ ...place, example: stub(example.label) })),
        seed,
      );
      const room = batch.tensors.firstTokens!.shape[0]!;
      const data = new Float32Array(room * size);
      drawn.forEach(({ example }, i) => {
        vectors.read(example.index, data, i * size);
      });
      const kept = Object.entries(batch.tensors).filter(([name]) => !ofTokens.has(name));
      const tensors: Record<string, HostTensor> = {
        ...Object.fromEntries(kept),
        vectors: { dtype: "f32", shape: [room, size], data },
      };
      const { lists: _lists, ...rest } = batch;
      return { ...rest, tensors };
    },
  };
}

/** Texts whose vectors are read together. */
const VECTORS_AT_A_TIME = 1024;

/** Scores of a head whose weights lie in an engine, without dropout. */
export class FeatureHeadProgram {
  private readonly program: BatchProgram;
  private readonly head: FeatureHead;
  private readonly turns = new Turns();

  constructor({ backend, store }: Pick<TextProgramPlace, "backend" | "store">, head: FeatureHead) {
    this.head = head;
    this.program = new BatchProgram({
      backend,
      store,
      trace: (batch) =>
        traceForward(store.parameters, batch, { compute: "f32" }, (context, { vectors }) => ({
          logits: head.classificationLogits(context, vectors!),
        })),
    });
  }

  /** Scores of the first so many vectors, each `[numLabels]`. A second call waits for the first. */
  logits(count: number, vectors: VectorSource): Promise<Float32Array[]> {
    return this.turns.run(() => this.compute(count, vectors));
  }

  private async compute(count: number, vectors: VectorSource): Promise<Float32Array[]> {
    const { numLabels, encoder } = this.head;
    const size = encoder.hiddenSize;
    const all: Float32Array[] = [];
    while (all.length < count) {
      const own = Math.min(VECTORS_AT_A_TIME, count - all.length);
      const data = new Float32Array(roomFor(own) * size);
      for (let i = 0; i < own; i++) vectors.read(all.length + i, data, i * size);
      const tensors: Batch["tensors"] = { vectors: { dtype: "f32", shape: [roomFor(own), size], data } };
      const facts = { counts: {}, numSequences: own, numTokens: own, numPlaces: own };
      const logits = (await this.program.run({ tensors, ...facts })).logits as Float32Array;
      for (let i = 0; i < own; i++) all.push(logits.slice(i * numLabels, (i + 1) * numLabels));
    }
    return all;
  }

  async dispose(): Promise<void> {
    await this.turns.idle();
    await this.program.dispose();
  }
}
